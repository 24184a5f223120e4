"""Folds of cells: whole patients, whole images or single cells, the same in every program that asks.

A split is decided by the names of the groups and a seed, never by the order of the cells, so that the texts of a fold
and the model trained on them agree without passing a file.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from anndata import AnnData

from genesem_embed.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

SplitBy = Literal["patient", "image", "cell"]
Folds = npt.NDArray[np.int64]


def split_groups(slide: AnnData, by: SplitBy, key: str | None = None) -> npt.NDArray[np.object_]:
    """Return the group of each cell: what is never divided between training and test.

    Parameters
    ----------
    by
        `patient`, `image` or `cell`; the first two are columns of `obs` of that name unless `key` says otherwise.

    Raises
    ------
    InputError
        There is no such column, or a cell has no value there.
    """
    if by == "cell":
        return np.asarray(slide.obs_names, dtype=object)
    name = key or by
    if name not in slide.obs:
        msg = f"no column {name!r} in obs; it has {', '.join(slide.obs)}: name the column of the {by}"
        raise InputError(msg)
    column = slide.obs[name]
    if missing := int(column.isna().sum()):
        msg = f"{missing} of {slide.n_obs} cells have no {by} in obs[{name!r}]; fill it, or leave these cells out"
        raise InputError(msg)
    return np.asarray(column.astype(str), dtype=object)


def assign_folds(
    groups: Sequence[str] | npt.NDArray[np.object_],
    *,
    n_folds: int,
    seed: int = 0,
    strata: "pd.Categorical[str] | None" = None,
) -> Folds:
    """Return the fold, 0 to `n_folds` - 1, in which each cell is tested.

    Groups are shuffled within their stratum and dealt to the fold that has the fewest groups of that stratum, then the
    fewest cells. Groups without a stratum are dealt as one more stratum.

    Parameters
    ----------
    groups
        Patient, image or id of each cell.
    strata
        Clinical status of each cell, constant within a group; missing values are allowed.

    Raises
    ------
    InputError
        There are fewer groups than folds, a group has two strata, or a stratum has a single group, which no split can
        both train and test on.
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if not 2 <= n_folds <= len(names):
        msg = (
            f"{n_folds} folds of {len(names)} groups (first: {', '.join(names[:5])}); expected 2 to {len(names)} folds"
        )
        raise InputError(msg)
    stratum = np.full(len(names), -1) if strata is None else _strata_of_groups(names, group, strata)
    n_cells = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(names))
    fold = np.zeros(len(names), dtype=np.int64)
    cells = np.zeros(n_folds)
    for level in np.unique(stratum):
        dealt = np.zeros(n_folds)
        for member in order[stratum[order] == level]:
            chosen = np.lexsort((cells, dealt))[0]
            fold[member] = chosen
            dealt[chosen] += 1
            cells[chosen] += n_cells[member]
    return fold[group]


def fold_rows(fold_of_cell: Folds) -> list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Return the rows of the training and of the test cells of each fold."""
    folds = range(int(fold_of_cell.max()) + 1)
    return [(np.flatnonzero(fold_of_cell != fold), np.flatnonzero(fold_of_cell == fold)) for fold in folds]


def draw_sample(n_cells: int, size: int | None, seed: int) -> npt.NDArray[np.intp]:
    """Return the rows of `size` cells drawn at random, in their order; None, or more than there are, takes all.

    The sample of a seed holds every smaller sample of that seed.
    """
    if size is None or size >= n_cells:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(seed).permutation(n_cells)[:size])


def split_digest(fold_of_cell: Folds) -> str:
    """Return the SHA-256 of a split: equal for equal folds of cells in equal order."""
    return hashlib.sha256(np.ascontiguousarray(fold_of_cell, dtype="<i8").tobytes()).hexdigest()


def _strata_of_groups(
    names: npt.NDArray[np.str_], group: npt.NDArray[np.intp], strata: "pd.Categorical[str]"
) -> npt.NDArray[np.int64]:
    codes = np.asarray(strata.codes, dtype=np.int64)
    lowest, highest = np.full(len(names), len(strata.categories)), np.full(len(names), -1)
    np.minimum.at(lowest, group, codes)
    np.maximum.at(highest, group, codes)
    if len(varying := names[lowest != highest]):
        msg = (
            f"the status varies within {len(varying)} of {len(names)} groups (first: {', '.join(varying[:5])}); "
            "expected one status per group: split by what the status belongs to, or mend the column"
        )
        raise InputError(msg)
    for code, n_groups in zip(*np.unique(highest[highest >= 0], return_counts=True), strict=True):
        if n_groups < 2:
            msg = (
                f"status {strata.categories[code]!r} has a single group ({names[highest == code][0]}): folds are "
                "impossible, since it would be either trained on or tested; expected at least 2 groups per status"
            )
            raise InputError(msg)
    return highest
