"""Texts that cannot be encoded: set aside while the others go on, told together at the end."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import EncodingError

_SHOWN = 3
_WORDS = 6


class Problems:
    """Collects the texts that failed."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def sort_out_lengths(
        self, texts: Sequence[str], lengths: npt.NDArray[np.int32], max_tokens: int
    ) -> npt.NDArray[np.intp]:
        """Return the positions of the texts that have tokens, but not more than `max_tokens`."""
        fits = (lengths > 0) & (lengths <= max_tokens)
        for row in np.flatnonzero(~fits).tolist():
            size = f"{lengths[row]} tokens, more than the {max_tokens} of this space" if lengths[row] else "no tokens"
            self._found.append(f"text {row} ({first_words(texts[row])}) has {size}")
        return np.flatnonzero(fits)

    def sort_out_values(
        self, texts: Sequence[str], rows: npt.NDArray[np.intp], vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.bool_]:
        """Return which `vectors` are finite."""
        finite = np.asarray(np.isfinite(vectors).all(axis=1))
        for row in rows[~finite].tolist():
            self._found.append(f"text {row} ({first_words(texts[row])}) has a vector that is not finite")
        return finite

    def raise_if_any(self) -> None:
        """Raise one error for all that was found."""
        if not self._found:
            return
        shown = "; ".join(self._found[:_SHOWN])
        rest = f"; and {len(self._found) - _SHOWN} more" if len(self._found) > _SHOWN else ""
        msg = (
            f"{len(self._found)} texts could not be encoded, all others were: {shown}{rest}. "
            "Shorten them (fewer --top-genes, --truncate end) or use a model with a higher limit or precision"
        )
        raise EncodingError(msg)


def first_words(text: str) -> str:
    """Return the beginning of `text` in quotes, to show which one is meant."""
    words = text.split(maxsplit=_WORDS)
    return repr(" ".join(words[:_WORDS])[:60] + (" ..." if len(words) > _WORDS else ""))
