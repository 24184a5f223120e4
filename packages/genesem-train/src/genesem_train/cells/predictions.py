"""What a method says about cells it was not fitted on."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Probabilities of every cell, each from the fold that tested it; NaN where no fold did."""

    types: Float[np.ndarray, "cell type"]
    status: Float[np.ndarray, "cell status"]
    attention: Float[np.ndarray, "patient status"] | None = None
    """Status of each patient by attention over its cells; None for methods without."""


@dataclass(frozen=True, kw_only=True)
class FoldPredictions:
    """One fold's part of `Predictions`, in the order of its test cells."""

    types: Float[np.ndarray, "cell type"]
    status: Float[np.ndarray, "cell status"]
    attention: dict[int, Float[np.ndarray, " status"]] = field(default_factory=dict)
    """By patient code, for the patients whose cells are all in the test part."""


def gather(parts: list[tuple[Int[np.ndarray, " cell"], FoldPredictions]], n_cells: int, n_patients: int) -> Predictions:
    """Return the folds' predictions as one table over all cells.

    Parameters
    ----------
    parts
        Test rows of a fold, and what the fold said about them.
    """
    n_types, n_status = parts[0][1].types.shape[1], parts[0][1].status.shape[1]
    types, status = np.full((n_cells, n_types), np.nan), np.full((n_cells, n_status), np.nan)
    attention = np.full((n_patients, n_status), np.nan)
    for rows, part in parts:
        types[rows], status[rows] = part.types, part.status
        for patient, probs in part.attention.items():
            attention[patient] = probs
    return Predictions(types=types, status=status, attention=attention if np.isfinite(attention).any() else None)


def mean_pool(
    status: Float[np.ndarray, "cell status"], groups: Int[np.ndarray, " cell"]
) -> Float[np.ndarray, "group status"]:
    """Return the mean probability over the cells of each group (patient or image)."""
    sums = np.zeros((int(groups.max()) + 1, status.shape[1]))
    np.add.at(sums, groups, status)
    return sums / np.bincount(groups)[:, None]
