"""Negative binomial likelihood of raw counts with known dispersions, and the dispersions by moments.

With the dispersion fixed, the gamma functions do not depend on the mean: what is left needs no gamma function at all.
"""

import numpy as np
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from genesem_train.losses.zinb import NonZeros

INVERSE_BOUNDS = (1e-2, 1e2)


def nb_nll(
    nonzeros: NonZeros, log_mean: Float[Tensor, "spot gene"], log_theta: Float[Tensor, " gene"]
) -> Float[Tensor, ""]:
    """Return the summed negative log-likelihood of a block of spots, up to what the means do not change."""
    x = nonzeros.dense(log_mean.shape)
    total: Tensor = ((x + log_theta.exp()) * log_mean.logaddexp(log_theta) - x * log_mean).sum()
    return total


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
