"""Negative binomial likelihood of raw counts with known dispersions, and the dispersions by moments.

With the dispersion fixed, the gamma functions do not depend on the mean: what is left needs no gamma function at all.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from genesem_train.losses.zinb import NonZeros

INVERSE_BOUNDS = (1e-2, 1e2)
SMALLEST_LIBRARY = 1e-3
"""Of a spot that has no counts."""


def nb_nll(
    nonzeros: NonZeros, logits: Float[Tensor, "spot gene"], log_theta: Float[Tensor, " gene"]
) -> Float[Tensor, ""]:
    """Return the summed negative log-likelihood of a block of spots, up to what the logits do not change.

    The mean counts of a spot are its library, the sum of its counts, times the softmax of its logits over genes (scVI's
    parametrisation).
    """
    total: Tensor = _Shares.apply(logits, nonzeros, log_theta)  # type: ignore[no-untyped-call]
    return total


class _Shares(torch.autograd.Function):
    """The likelihood and, in the same pass, its gradient: autograd would go over the block about twice as often.

    With mean mu, the slope in log(mu) is s = (x + theta) mu / (mu + theta) - x; that in the logits is s minus the share
    of each gene in the sum of s over genes.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, nonzeros: NonZeros, log_theta: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        x, theta = nonzeros.dense(logits.shape), log_theta.exp()
        library = x.sum(dim=1, keepdim=True).clamp_(min=SMALLEST_LIBRARY)
        log_mean = logits.log_softmax(dim=1).add_(library.log())
        mean = log_mean.exp()
        both, weight = mean + theta, x + theta
        slope = (mean / both).mul_(weight).sub_(x)
        total = both.log_().mul_(weight).sum() - log_mean.mul_(x).sum()
        ctx.save_for_backward(slope.addcmul_(mean, slope.sum(dim=1, keepdim=True) / library, value=-1))
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 (torch's context)
        (slope,) = ctx.saved_tensors
        return grad_output * slope, None, None


def dispersions(counts: sparse.csr_matrix) -> Float[np.ndarray, " gene"]:
    """Return theta per gene, variance = mu + mu^2 / theta, by moments around each gene's share of every library."""
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    size = library / max(library.mean(), 1e-12)
    share = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() / max(size.sum(), 1e-12)
    squares = np.asarray(counts.multiply(counts).sum(axis=0), dtype=np.float64).ravel()
    expected_squares = share**2 * (size**2).sum()
    residuals = squares - 2 * share * (counts.T @ size) + expected_squares
    excess = (residuals - share * size.sum()) / np.maximum(expected_squares, 1e-12)
    theta: Float[np.ndarray, " gene"] = 1 / np.clip(excess, *INVERSE_BOUNDS)
    return theta
