"""What a left-out word or section does to the answer: the change in the probability of the true cell type.

The heads are those fitted on whole texts; they are shown the vectors of texts from which one thing was left out. A
change below 0 says that the thing spoke for the type.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from genesem_embed.store import Store
from genesem_train.cells.cohort import Cohort
from genesem_train.cells.folds import Fold
from genesem_train.cells.heads import FittedHeads
from genesem_train.cells.sentences import SentenceSet

IGNORED = frozenset({"occlude", "sample", "sections"})
"""Choices in which an occluded set may differ from the one that the heads were fitted on."""


@dataclass(frozen=True, kw_only=True)
class Occlusion:
    """What was left out, and what that changed for each type."""

    left_out: str
    kind: str
    """`marker` or `section`."""
    change: Float[np.ndarray, " type"]
    """Mean change of the true type's probability x 100; NaN for a type without cells in the sample."""
    n_cells: Int[np.ndarray, " type"]


def occlusions(
    store: Store,
    sets: list[SentenceSet],
    chosen: SentenceSet,
    cohort: Cohort,
    folds: list[Fold],
    fitted: list[FittedHeads],
) -> list[Occlusion]:
    """Return the effect of every stored occlusion of `chosen`, each cell judged by the fold that tested it.

    Parameters
    ----------
    sets
        All that is stored; those that leave out one marker or one section of `chosen` are used.
    fitted
        The heads of each fold, fitted on `chosen`.
    """
    found = []
    for one in sets:
        left_out = _left_out(one, chosen)
        if left_out is not None:
            kind, name = left_out
            change, n_cells = _change(store, one, chosen, cohort, folds, fitted)
            found.append(Occlusion(left_out=name, kind=kind, change=change, n_cells=n_cells))
    return sorted(found, key=lambda one: (one.kind, one.left_out))


def _left_out(one: SentenceSet, chosen: SentenceSet) -> tuple[str, str] | None:
    if one.space != chosen.space or _rest(one) != _rest(chosen):
        return None
    whole, kept = set(chosen.choices["sections"]), set(one.choices["sections"])
    occluded = list(one.choices.get("occlude") or [])
    if len(occluded) == 1 and whole == kept:
        return "marker", str(occluded[0])
    apart = chosen.choices.get("layout") == "sections"  # then a section less is a shorter vector, not another text
    if not occluded and not apart and len(whole - kept) == 1 and kept < whole:
        return "section", str(next(iter(whole - kept)))
    return None


def _rest(one: SentenceSet) -> dict[str, Any]:
    return {key: value for key, value in one.choices.items() if key not in IGNORED}


def _change(
    store: Store,
    one: SentenceSet,
    chosen: SentenceSet,
    cohort: Cohort,
    folds: list[Fold],
    fitted: list[FittedHeads],
) -> tuple[Float[np.ndarray, " type"], Int[np.ndarray, " type"]]:
    sums, counts = np.zeros(len(cohort.type_names)), np.zeros(len(cohort.type_names), dtype=np.int64)
    for number, (fold, heads) in enumerate(zip(folds, fitted, strict=True)):
        there = set(store.ids(one.info(number)))
        rows = np.array(
            [row for row in fold.test if cohort.ids[row] in there and cohort.types[row] >= 0], dtype=np.int64
        )
        if len(rows) == 0:
            continue
        ids, types = [cohort.ids[row] for row in rows], cohort.types[rows]
        before = heads.type_probabilities(chosen.matrix(store, number, ids))
        after = heads.type_probabilities(one.matrix(store, number, ids))
        np.add.at(sums, types, 100 * (after - before)[np.arange(len(rows)), types])
        np.add.at(counts, types, 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), counts
