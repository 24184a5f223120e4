"""Text to token ids by the model's own tokenizer, without torch; one path for counting and for encoding."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import MissingExtraError, ModelUnavailableError

CHUNK = 1024


class TextTokenizer:
    """The tokenizer of a model's folder.

    Parameters
    ----------
    folder
        Holds ``tokenizer.json``.
    special_tokens
        Whether the tokenizer adds its own marks; a chat template has written them already.
    max_tokens, truncation
        Where longer texts are cut, marks kept: ``end``, ``start``, or ``error`` for not at all.
    """

    def __init__(self, folder: Path, *, special_tokens: bool, max_tokens: int = 0, truncation: str = "error") -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            msg = 'counting tokens and encoding need: pip install "genesem-embed[llm]"'
            raise MissingExtraError(msg) from None
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file(folder)))
        # Some models ship a tokenizer.json that pads and cuts every text to one length.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if truncation != "error":
            self._tokenizer.enable_truncation(max_tokens, direction="right" if truncation == "end" else "left")
        self._special_tokens = special_tokens

    def ids(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """Return the token ids of every text."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=self._special_tokens)
        return [np.asarray(encoding.ids, dtype=np.int32) for encoding in found]

    def count(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of tokens of every text."""
        lengths: list[int] = []
        for start in range(0, len(texts), CHUNK):
            lengths += [len(ids) for ids in self.ids(texts[start : start + CHUNK])]
        return np.asarray(lengths, dtype=np.int64)


def tokenizer_file(folder: Path) -> Path:
    """Return the path of the tokenizer in `folder`.

    Raises
    ------
    ModelUnavailableError
        There is none in the one format that is read here.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        msg = (
            f"{folder} holds no tokenizer.json; write one with "
            "AutoTokenizer.from_pretrained(...).save_pretrained(...) and give that folder"
        )
        raise ModelUnavailableError(msg)
    return path


def tokenizer_sha256(folder: Path) -> str:
    """Return the SHA-256 of the tokenizer's file."""
    return hashlib.sha256(tokenizer_file(folder).read_bytes()).hexdigest()
