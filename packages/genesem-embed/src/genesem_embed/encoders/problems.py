"""Texts that cannot be encoded: set aside while the others go on, told together at the end."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from genesem_embed.errors import FailedText, TextsFailedError

_SHOWN = 3
_WORDS = 6


class Problems:
    """Collects the texts that failed and why."""

    def __init__(self) -> None:
        self._found: list[FailedText] = []

    def add(self, row: int, text: str, why: str) -> None:
        """Set the text at `row` aside."""
        self._found.append(FailedText(row=row, name=f"text {row}", words=first_words(text), why=why))

    def storable(
        self, rows: npt.NDArray[np.intp], texts: Sequence[str], vectors: Float[np.ndarray, "row dim"], precision: str
    ) -> npt.NDArray[np.bool_]:
        """Return which vectors are finite, also once cast to `precision`, and set the texts of the others aside."""
        with np.errstate(over="ignore"):
            finite = np.asarray(np.isfinite(vectors.astype(precision)).all(axis=1))
        for row in rows[~finite].tolist():
            self.add(row, texts[row], f"has a vector that is not finite in {precision}")
        return finite

    def raise_if_any(self) -> None:
        """Raise one error for all that was found."""
        if self._found:
            raise texts_failed(self._found)


def texts_failed(failed: Sequence[FailedText]) -> TextsFailedError:
    """Return the error that tells of `failed` in one line, and holds all of them."""
    shown = "; ".join(map(str, failed[:_SHOWN]))
    rest = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    msg = (
        f"{len(failed)} texts could not be encoded, all others were: {shown}{rest}. "
        "Shorten them (fewer --top-genes, --truncate end) or use a model with a higher limit or precision"
    )
    return TextsFailedError(msg, failed)


def first_words(text: str) -> str:
    """Return the beginning of `text` in quotes, to show which one is meant."""
    words = text.split(maxsplit=_WORDS)
    return repr(" ".join(words[:_WORDS])[:60] + (" ..." if len(words) > _WORDS else ""))
