"""Contrasting cells drawn from the far part of an image.

The literal rule, the most dissimilar and the farthest cells, gives a whole image the same few outliers and corner cells
(9 distinct cells for 4,650 on a real islet), which says nothing about a cell. Here each cell draws at random among the
cells that are far from it, and no cell is drawn more often than a cap allows. Drawing goes in rounds: a round pairs
every cell with another by one permutation, so the cap is kept without looking at cells one by one.
"""

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.costs import Points, block_costs, pair_costs
from genesem_embed.texts.cells.neighbours import NONE, Picks

_REFERENCE_CELLS = 512
"""Cells that the far quantile is estimated from; images of fewer cells are taken whole."""
_ROUNDS_PER_PICK = 40


def draw_far_cells(
    points: Points,
    k: int,
    *,
    quantile: float,
    cap: int,
    rng: np.random.Generator,
) -> Picks:
    """Return `k` distinct cells for each cell, at random among the share `quantile` that is farthest from it.

    Parameters
    ----------
    quantile
        1 draws from all cells.
    cap
        A cell is drawn at most so often.
    """
    n_cells = len(points.vectors)
    picks = np.full((n_cells, k), NONE, dtype=np.int64)
    if n_cells < 2 or k == 0:
        return picks
    threshold = _far_threshold(points, quantile, rng)
    used = np.zeros(n_cells, dtype=np.int64)
    filled = np.zeros(n_cells, dtype=np.int64)
    for _ in range(_ROUNDS_PER_PICK * k):
        open_rows = np.flatnonzero(filled < k)
        if not len(open_rows):
            break
        offered = rng.permutation(n_cells)[open_rows]
        fits = (offered != open_rows) & (used[offered] < cap) & (picks[open_rows] != offered[:, None]).all(axis=1)
        fits[fits] = pair_costs(points, open_rows[fits], offered[fits]) >= threshold[open_rows[fits]]
        rows, chosen = open_rows[fits], offered[fits]
        picks[rows, filled[rows]] = chosen
        filled[rows] += 1
        used[chosen] += 1
    _fill_the_rest(points, picks, threshold, used, cap, rng)
    return picks


def _far_threshold(points: Points, quantile: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the cost from which on a cell counts as far, for each cell."""
    n_cells = len(points.vectors)
    if quantile >= 1:
        return np.full(n_cells, -np.inf)
    reference = np.sort(rng.permutation(n_cells)[:_REFERENCE_CELLS])
    costs = block_costs(points, reference).T
    place = int(np.floor((1 - quantile) * (len(reference) - 1)))
    return np.asarray(np.partition(costs, place, axis=1)[:, place])


def _fill_the_rest(
    points: Points,
    picks: Picks,
    threshold: npt.NDArray[np.float64],
    used: npt.NDArray[np.int64],
    cap: int,
    rng: np.random.Generator,
) -> None:
    """Look through the whole image for the few cells that the rounds left open."""
    for row in np.flatnonzero((picks == NONE).any(axis=1)):
        fits = (block_costs(points, np.array([row]))[0] >= threshold[row]) & (used < cap)
        fits[[row, *picks[row][picks[row] != NONE]]] = False
        places = np.flatnonzero(picks[row] == NONE)
        chosen = rng.permutation(np.flatnonzero(fits))[: len(places)]
        picks[row, places[: len(chosen)]] = chosen
        used[chosen] += 1
