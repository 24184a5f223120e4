"""Spatial regularisation: neighbours alike, others apart in the latent (paper, equation 13).

With c the cosine of two spots, log(1 - sigmoid(c)) = log sigmoid(-c) and log sigmoid(c) = log sigmoid(-c) + c. So the
sum over neighbours and non-neighbours is a sum over all pairs, which needs no graph, plus the cosines along the edges,
which needs no pairs. No array ever holds all pairs.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize

from genesem_train.rows import ALL_ROWS, Rows
from genesem_train.sparse import SparseMatrix

TILE_BYTES = 64 * 2**20


# log sigmoid(-c) + c/2 is even; its best line in c^2 on [-1, 1] is CONSTANT + QUADRATIC c^2 (a test computes it again).
CONSTANT = -0.6937386
QUADRATIC = -0.1201145
MOMENTS_BOUND = 5.92e-4
"""Greatest error of one pair's term under ``moments``; the terms lie between -1.32 and -0.31."""


def spatial_loss(
    latent: Float[Tensor, "spot dim"],
    neighbours: SparseMatrix,
    *,
    form: Literal["paper", "released"],
    method: Literal["exact", "moments"] = "exact",
    rows: Rows = ALL_ROWS,
) -> Float[Tensor, ""]:
    """Return the loss of a latent on a spatial graph.

    Parameters
    ----------
    latent
        The final latent; its cosines count.
    neighbours
        Ones for every ordered pair of neighbours, so each edge twice; zeros on the diagonal.
    form
        ``paper``: the sum of equation 13, where a spot is no pair with itself. ``released``: half the sum over all
        N^2 pairs over N^2, a spot having cosine 0 with itself.
    method
        ``exact`` goes over all pairs tile by tile; ``moments`` takes `pair_moments` for them.
    rows
        Which spots `latent` and the rows of `neighbours` are, where several processes share them.
    """
    unit = normalize(latent, dim=1)
    everyone = rows.gather(unit)
    all_pairs = _all_pairs(unit, everyone, rows) if method == "exact" else pair_moments(unit, rows)
    along_edges = rows.sum((unit * (neighbours @ everyone)).sum())  # no array has a row an edge
    total: Tensor = -(all_pairs + along_edges)
    if form == "paper":
        return total
    n_spots = rows.count(len(latent))
    itself = n_spots * torch.log(torch.tensor(2.0, dtype=latent.dtype, device=latent.device))
    mean: Tensor = 0.5 * (total + itself) / n_spots**2
    return mean


def pair_moments(unit: Float[Tensor, "spot dim"], rows: Rows = ALL_ROWS) -> Float[Tensor, ""]:
    """Return the sum of log sigmoid(-cosine) over all ordered pairs of different spots, by its first two moments.

    log sigmoid(-c) is -c/2 plus an even function, here replaced by the best line in c^2 on [-1, 1]: no pair is off by
    more than `MOMENTS_BOUND`. The sums of c and of c^2 over all pairs are |sum u|^2 and |U'U|^2.
    """
    n_spots = rows.count(len(unit))
    first = rows.sum(unit.sum(dim=0)).square().sum() - n_spots
    second = rows.sum(unit.T @ unit).square().sum() - n_spots
    return CONSTANT * n_spots * (n_spots - 1) - 0.5 * first + QUADRATIC * second


def _all_pairs(unit: Float[Tensor, "own dim"], everyone: Float[Tensor, "spot dim"], rows: Rows) -> Float[Tensor, ""]:
    """Return the sum of log sigmoid(-cosine) over all ordered pairs of different spots."""
    own: Tensor = _Pairs.apply(unit, everyone.detach(), rows.start)  # type: ignore[no-untyped-call]
    return rows.sum(own)


class _Pairs(torch.autograd.Function):
    """The sum over the ordered pairs that begin at the own spots, tile by tile.

    Its gradient in the own spots is that of the sum over all pairs: those that end there give as much again.
    """

    @staticmethod
    def forward(ctx: Any, unit: Tensor, everyone: Tensor, first: int) -> Tensor:  # noqa: ANN401 (torch's context)
        total = torch.zeros((), dtype=torch.float64, device=unit.device)
        gradient = torch.empty_like(unit)
        rows_per_tile = max(1, TILE_BYTES // (unit.element_size() * len(everyone)))
        for start in range(0, len(unit), rows_per_tile):
            cosines = unit[start : start + rows_per_tile] @ everyone.T
            itself = cosines.diagonal(first + start)
            total += logsigmoid(-cosines).sum(dtype=torch.float64) - logsigmoid(-itself).sum(dtype=torch.float64)
            slopes = torch.sigmoid_(cosines)
            slopes.diagonal(first + start).zero_()
            gradient[start : start + rows_per_tile] = -2 * (slopes @ everyone)
        ctx.save_for_backward(gradient)
        return total.to(unit.dtype)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 (torch's context)
        (gradient,) = ctx.saved_tensors
        return grad_output * gradient, None, None
