"""Counts to principal components that keep the scale of the genes.

Genes are not standardised: that would lift genes that are nothing but noise to the level of those that mark tissue.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

SMALLEST_SHARE = 0.05
"""A spot's library counts as at least this share of the median, so that near-empty spots are not blown up."""


@dataclass(frozen=True, kw_only=True)
class ComponentAxes:
    """What takes counts to principal components: of the slide that they were found on, and of others."""

    loadings: Float[np.ndarray, "gene component"]
    means: Float[np.ndarray, " gene"]
    """Of the log-normalised counts."""
    median_library: float
    """What every spot's counts are brought to before the logarithm."""

    def scores(self, counts: sparse.csr_matrix) -> Float[np.ndarray, "spot component"]:
        """Return the components of raw counts of the same genes; 0 is the mean of the slide that the axes are of."""
        found: Float[np.ndarray, "spot component"] = (
            _log_counts(counts, self.median_library) @ self.loadings - self.means @ self.loadings
        )
        return found


@dataclass(frozen=True, kw_only=True)
class Components:
    """Principal components of log-normalised counts."""

    scores: Float[np.ndarray, "spot component"]
    axes: ComponentAxes


def count_components(counts: sparse.csr_matrix, n_components: int = 30) -> Components:
    """Return the principal components of raw counts: divided by library, times its median, log1p, centred.

    The centred matrix is never made; the result does not depend on threads or a seed.
    """
    median = max(float(np.median(_library(counts))), 1.0)
    values = _log_counts(counts, median)
    means = np.asarray(values.mean(axis=0)).ravel()
    n_components = min(n_components, min(values.shape) - 1)
    centred = LinearOperator(
        values.shape,
        matvec=lambda v: values @ v.ravel() - means @ v.ravel(),
        rmatvec=lambda v: values.T @ v.ravel() - means * v.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).normal(size=min(values.shape))
    left, strengths, right = svds(centred, k=n_components, v0=start)
    order = np.argsort(-strengths)
    signs = np.where(right[order].sum(axis=1) < 0, -1.0, 1.0)
    return Components(
        scores=left[:, order] * strengths[order] * signs,
        axes=ComponentAxes(loadings=right[order].T * signs, means=means, median_library=median),
    )


def _log_counts(counts: sparse.csr_matrix, median_library: float) -> sparse.csr_matrix:
    divisors = np.maximum(_library(counts), max(SMALLEST_SHARE * median_library, 1.0))
    values = sparse.csr_matrix(sparse.diags(median_library / divisors) @ counts, dtype=np.float64)
    np.log1p(values.data, out=values.data)
    return values


def _library(counts: sparse.csr_matrix) -> Float[np.ndarray, " spot"]:
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
