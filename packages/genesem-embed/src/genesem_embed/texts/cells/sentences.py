"""A cell as a sentence: the names of its markers, the strongest first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How sentences are put together."""

    content: Literal["ranks", "values", "filler"]
    """Names by falling value; names in panel order with their values; as many of the panel's first names."""
    separator: str
    empty: str
    """What is written of a cell that shows no marker."""


def write_sentences(
    values: npt.NDArray[np.float64],
    shown: npt.NDArray[np.bool_],
    names: Sequence[str],
    wording: Wording,
    top: int | None = None,
) -> list[str]:
    """Return one sentence per cell that names its `top` strongest markers (None: all); ties go by panel order.

    Parameters
    ----------
    values, shown
        Scaled values, and which of them may be named; one row per cell, one column per marker.
    """
    order = np.argsort(np.where(shown, -values, np.inf), axis=1, kind="stable")
    n_named = np.minimum(shown.sum(axis=1), len(names) if top is None else top)
    words = _words(values, order, n_named, np.asarray(names, dtype=object), wording.content)
    return [wording.separator.join(row) if len(row) else wording.empty for row in words]


def _words(
    values: npt.NDArray[np.float64],
    order: npt.NDArray[np.intp],
    n_named: npt.NDArray[np.intp],
    names: npt.NDArray[np.object_],
    content: str,
) -> Iterator[Sequence[str]]:
    if content == "filler":
        for n in n_named:
            yield names[:n].tolist()
        return
    for row, ranked, n in zip(values, order, n_named, strict=True):
        if content == "ranks":
            yield names[ranked[:n]].tolist()
        else:
            yield [f"{names[marker]} {round(row[marker], 1) + 0.0:.1f}" for marker in sorted(ranked[:n])]
