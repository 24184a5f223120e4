"""What a method says about cells it was not fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from genesem_train.cells.pooling import Level


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Probabilities of every cell, each from the fold that tested it; NaN where no fold did."""

    types: Float[np.ndarray, "cell type"]
    status: Float[np.ndarray, "cell status"]
    attention: Mapping[Level, Float[np.ndarray, "bag status"]] = field(default_factory=dict)
    """Status of each patient and of each image by attention over its cells; empty for methods without."""


@dataclass(frozen=True, kw_only=True)
class FoldPredictions:
    """One fold's part of `Predictions`, in the order of its test cells."""

    types: Float[np.ndarray, "cell type"]
    status: Float[np.ndarray, "cell status"]
    attention: Mapping[Level, Mapping[int, Float[np.ndarray, " status"]]] = field(default_factory=dict)
    """By code of the patient or image, for those whose cells are all in the test part."""


def gather(
    parts: Sequence[tuple[Int[np.ndarray, " cell"], FoldPredictions]], n_cells: int, n_bags: Mapping[Level, int]
) -> Predictions:
    """Return the folds' predictions as one table over all cells.

    Parameters
    ----------
    parts
        Test rows of a fold, and what the fold said about them.
    n_bags
        How many patients and images there are.
    """
    n_types, n_status = parts[0][1].types.shape[1], parts[0][1].status.shape[1]
    types, status = np.full((n_cells, n_types), np.nan), np.full((n_cells, n_status), np.nan)
    attention = {level: np.full((n, n_status), np.nan) for level, n in n_bags.items()}
    for rows, part in parts:
        types[rows], status[rows] = part.types, part.status
        for level, found in part.attention.items():
            for bag, probs in found.items():
                attention[level][bag] = probs
    told = {level: probs for level, probs in attention.items() if np.isfinite(probs).any()}
    return Predictions(types=types, status=status, attention=told)


def mean_pool(
    status: Float[np.ndarray, "cell status"], groups: Int[np.ndarray, " cell"]
) -> Float[np.ndarray, "group status"]:
    """Return the mean probability over the cells of each group (patient or image)."""
    sums = np.zeros((int(groups.max()) + 1, status.shape[1]))
    np.add.at(sums, groups, status)
    return sums / np.bincount(groups)[:, None]
