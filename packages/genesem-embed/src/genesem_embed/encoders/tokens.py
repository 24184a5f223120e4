"""Text to token ids by the model's own tokenizer, without torch; one path for counting and for encoding."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import MissingExtraError, ModelUnavailableError

CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of some texts."""

    ids: list[npt.NDArray[np.int32]]
    spans: npt.NDArray[np.int64]
    """(text, 2): the first token that is pooled and the one after the last."""

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Number of tokens of every text."""
        return np.asarray([len(one) for one in self.ids], dtype=np.int32)


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
    part
        Gives the first character of a text that is pooled and the one after the last; by default all are.
    """

    def __init__(
        self,
        folder: Path,
        *,
        special_tokens: bool,
        max_tokens: int = 0,
        truncation: str = "error",
        part: Callable[[str], tuple[int, int]] | None = None,
    ) -> None:
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
        self._part = part

    @property
    def end_token(self) -> int | None:
        """The id that the tokenizer itself puts after every text, if it does."""
        if not self._special_tokens:
            return None
        bare, marked = (self._tokenizer.encode("a", add_special_tokens=added).ids for added in (False, True))
        return int(marked[-1]) if len(marked) > len(bare) and marked[-1:] != bare[-1:] else None

    def tokenise(self, texts: Sequence[str]) -> Tokens:
        """Return the tokens of every text."""
        if self._part is None:
            found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=self._special_tokens)
            spans = [(0, len(encoding.ids)) for encoding in found]
        else:  # the fast way has no offsets
            found = self._tokenizer.encode_batch(list(texts), add_special_tokens=self._special_tokens)
            parts = map(self._part, texts)
            spans = [_span(encoding.offsets, part) for encoding, part in zip(found, parts, strict=True)]
        ids = [np.asarray(encoding.ids, dtype=np.int32) for encoding in found]
        return Tokens(ids=ids, spans=np.asarray(spans, dtype=np.int64).reshape(-1, 2))

    def count(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of tokens of every text."""
        lengths: list[npt.NDArray[np.int32]] = [np.zeros(0, dtype=np.int32)]
        for start in range(0, len(texts), CHUNK):
            lengths.append(self.tokenise(texts[start : start + CHUNK]).lengths)
        return np.concatenate(lengths).astype(np.int64)


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


def _span(offsets: list[tuple[int, int]], part: tuple[int, int]) -> tuple[int, int]:
    """Return the tokens that hold a character of `part`."""
    inside = [row for row, (start, end) in enumerate(offsets) if end > part[0] and start < part[1] and end > start]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)
