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
class Components:
    """Principal components of log-normalised counts."""

    scores: Float[np.ndarray, "spot component"]
    loadings: Float[np.ndarray, "gene component"]
    median_library: float
    """What every spot's counts were brought to before the logarithm."""


def count_components(counts: sparse.csr_matrix, n_components: int = 30) -> Components:
    """Return the principal components of raw counts: divided by library, times its median, log1p, centred.

    The centred matrix is never made; the result does not depend on threads or a seed.
    """
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    median = float(np.median(library))
    divisors = np.maximum(library, max(SMALLEST_SHARE * median, 1.0))
    values = sparse.csr_matrix(sparse.diags(max(median, 1.0) / divisors) @ counts, dtype=np.float64)
    np.log1p(values.data, out=values.data)
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
        loadings=right[order].T * signs,
        median_library=max(median, 1.0),
    )
