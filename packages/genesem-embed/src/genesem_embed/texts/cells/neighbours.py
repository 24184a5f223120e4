"""The cells of an image that are most alike or nearest, a block of cells at a time: no matrix of the whole cohort."""

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.costs import Matrix, Points, block_costs

Picks = npt.NDArray[np.int64]
"""One row per cell: positions of other cells in the same image, the first rank first; -1 where there is none."""
NONE = -1
_BLOCK_ENTRIES = 2_000_000
"""Entries of one block of costs: about 16 MB."""


def extreme_cells(points: Points, window: tuple[int, int], *, farthest: bool = False) -> Picks:
    """Return the cells at the ranks `window` (first and last, from 1), never a cell itself; ties by cell order.

    With `farthest`, rank 1 is the greatest cost.
    """
    n_cells = len(points.vectors)
    picks = np.full((n_cells, window[1] - window[0] + 1), NONE, dtype=np.int64)
    size = max(1, _BLOCK_ENTRIES // max(n_cells, 1))
    for start in range(0, n_cells, size):
        rows = np.arange(start, min(start + size, n_cells))
        costs = block_costs(points, rows)
        if farthest:
            costs *= -1
        costs[np.arange(len(rows)), rows] = np.inf
        picks[rows] = _lowest(costs, window)
    return picks


def in_both(first: Picks, second: Picks) -> Picks:
    """Return the cells of `second` that are in the same row of `first`, moved to the front."""
    shared = (second[:, :, None] == first[:, None, :]).any(axis=2) & (second != NONE)
    order = np.argsort(~shared, axis=1, kind="stable")
    return np.take_along_axis(np.where(shared, second, NONE), order, axis=1)


def _lowest(costs: Matrix, window: tuple[int, int]) -> Picks:
    """Return the columns of the lowest costs, one minimum at a time: stable, and for few ranks faster than a sort."""
    everyone = np.arange(len(costs))
    picks = np.full((len(costs), window[1]), NONE, dtype=np.int64)
    for rank in range(min(window[1], costs.shape[1])):
        best = costs.argmin(axis=1)
        found = np.isfinite(costs[everyone, best])
        picks[:, rank] = np.where(found, best, NONE)
        costs[everyone, best] = np.inf
    return picks[:, window[0] - 1 :]
