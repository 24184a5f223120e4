"""Counts to principal components in which a gene counts by what it shares with its surroundings.

Left on their scale, genes that are abundant but noisy hide those that mark tissue; standardised, genes that are nothing
but noise come up to their level. So every gene has a weight between: with v its variance and s^2 the part of it that
neighbours share, s / v would make it the best linear prediction of its shared part in units of that part's own
deviation, and 1 leaves it as it is; the weight is the geometric mean of the two, sqrt(s / v).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

SMALLEST_SHARE = 0.05
"""A spot's library counts as at least this share of the median, so that near-empty spots are not blown up."""
GREATEST_RELIABILITY = 0.999
LEAST_STRENGTH = 1e-6
"""Of a component, against the strongest; less is rounding, and its direction chance."""
EDGE_SPOTS = 2**16
"""Spots whose edges are gone over at a time."""


@dataclass(frozen=True, kw_only=True)
class ComponentAxes:
    """What takes counts to principal components: of the slide that they were found on, and of others."""

    loadings: Float[np.ndarray, "gene component"]
    """Of the log-normalised counts: the genes' weights are in them."""
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
    loadings: Float[np.ndarray, "gene component"]
    """Of the weighted genes; orthonormal."""
    axes: ComponentAxes


def count_components(counts: sparse.csr_matrix, graph: sparse.csr_matrix, n_components: int = 30) -> Components:
    """Return the principal components of raw counts: divided by library, times its median, log1p, centred, weighted.

    The centred matrix is never made; the result does not depend on threads or a seed.

    Parameters
    ----------
    counts
        Spots by genes.
    graph
        Who is a neighbour of whom, symmetric, spots by spots.
    """
    median = max(float(np.median(_library(counts))), 1.0)
    values = _log_counts(counts, median)
    means = np.asarray(values.mean(axis=0)).ravel()
    weights = gene_weights(values, graph)
    n_components = min(n_components, min(values.shape) - 1, int((weights > 0).sum()))
    centred = LinearOperator(
        values.shape,
        matvec=lambda v: values @ (weights * v.ravel()) - means @ (weights * v.ravel()),
        rmatvec=lambda v: weights * (values.T @ v.ravel() - means * v.sum()),
        dtype=np.float64,
    )
    start = np.random.default_rng(0).normal(size=min(values.shape))
    left, strengths, right = svds(centred, k=n_components, v0=start)
    order = np.argsort(-strengths)
    order = order[strengths[order] > LEAST_STRENGTH * strengths.max()]
    signs = np.where(right[order].sum(axis=1) < 0, -1.0, 1.0)
    loadings = right[order].T * signs
    return Components(
        scores=left[:, order] * strengths[order] * signs,
        loadings=loadings,
        axes=ComponentAxes(loadings=weights[:, None] * loadings, means=means, median_library=median),
    )


def gene_weights(values: sparse.csr_matrix, graph: sparse.csr_matrix) -> Float[np.ndarray, " gene"]:
    """Return sqrt(s / v) of every gene, relative to the greatest; 1 for all where no gene is shared by neighbours.

    v is the variance over spots, s^2 the mean over edges of the product of what both ends are off the mean: noise of
    a spot's own adds nothing to it on average.
    """
    n_spots = values.shape[0]
    means = np.asarray(values.mean(axis=0)).ravel()
    variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - means**2
    degrees = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    products = np.zeros(values.shape[1])
    for start in range(0, n_spots, EDGE_SPOTS):
        rows = slice(start, start + EDGE_SPOTS)
        around = graph[rows].astype(np.float64) @ values
        products += np.asarray(values[rows].multiply(around).sum(axis=0)).ravel()
    shared = (products - 2 * means * (values.T @ degrees)) / max(degrees.sum(), 1.0) + means**2
    shared = np.clip(shared, 0.0, GREATEST_RELIABILITY * np.maximum(variance, 0.0))
    varies = variance > np.finfo(np.float64).eps * means**2
    weights = np.sqrt(np.sqrt(shared) / np.where(varies, variance, 1.0)) * varies
    return weights / weights.max() if weights.max() > 0 else np.ones_like(weights)


def _log_counts(counts: sparse.csr_matrix, median_library: float) -> sparse.csr_matrix:
    divisors = np.maximum(_library(counts), max(SMALLEST_SHARE * median_library, 1.0))
    values = sparse.csr_matrix(sparse.diags(median_library / divisors) @ counts, dtype=np.float64)
    np.log1p(values.data, out=values.data)
    return values


def _library(counts: sparse.csr_matrix) -> Float[np.ndarray, " spot"]:
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
