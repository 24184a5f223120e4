"""What of a spot's expression its place predicts.

Every principal component is smoothed over the spatial graph by f = (I + strength L^2)^-1 z, L the symmetric normalised
Laplacian. Each component gets the mean over the strength that best predicts spots from the others and all greater ones
that do so as well, as far as the slide can tell. One without spatial structure all but vanishes, and the slide itself
says how much a spot's own expression counts against its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev
from scipy import sparse

STRENGTHS = np.logspace(-2, 3, 16)
SLACK = 1.0
DEGREE = 150
"""Of the Chebyshev series for the smoother: its error is below 1e-6 for the greatest strength."""
EXACT_SPOTS = 512
"""Up to so many spots, every spot has its own leverage; above, all have their mean, estimated from random signs."""
N_PROBES = 64
CHUNK_VALUES = 2**27


@dataclass(frozen=True, kw_only=True)
class Field:
    """Smoothed components."""

    values: Float[np.ndarray, "spot component"]
    shares: Float[np.ndarray, "component strength"]
    """What every one of `STRENGTHS` counts in a component's smoothing; they sum to 1."""
    explained: Float[np.ndarray, " component"]
    """Share of a component's variance that a spot's surroundings predict, at least 0."""
    own_share: float
    """What a spot's own expression counts in its smoothed value, the rest being its surroundings; 0 to 1."""


def smooth_field(
    scores: Float[np.ndarray, "spot component"], graph: sparse.csr_matrix, *, slack: float = SLACK
) -> Field:
    """Return the components smoothed over `graph`, each as strongly as the others' prediction of a spot allows.

    The error of a strength is leave-one-out, e = (z - f) / (1 - S) with S the spot's leverage, or generalised
    cross-validation with the mean leverage on larger slides. The mean is taken over the strength of the least mean
    squared error and those greater ones within `slack` standard errors of it (paired over spots); with 0, there are
    none. Why not the greatest of them, or all to both sides, stands in ``docs/methods.md``.
    """
    scores = scores - scores.mean(axis=0)
    spread = _spread(graph)
    leverages = _leverages(spread)
    smoothed = np.empty_like(scores)
    shares, explained = np.empty((scores.shape[1], len(STRENGTHS))), np.empty(scores.shape[1])
    per_chunk = max(1, CHUNK_VALUES // (len(STRENGTHS) * len(scores)))
    for start in range(0, scores.shape[1], per_chunk):
        columns = range(start, min(start + per_chunk, scores.shape[1]))
        candidates = _smoothings(spread, scores[:, columns])
        for column, fits in zip(columns, np.moveaxis(candidates, 2, 0), strict=True):
            errors = (scores[:, column] - fits) / (1 - leverages)
            shares[column] = _shares(slack, errors**2)
            smoothed[:, column] = shares[column] @ fits
            variance, missed = scores[:, column].var(), ((shares[column] @ errors) ** 2).mean()
            explained[column] = max(0.0, 1 - missed / variance) if variance > 0 else 0.0
    weights = explained * scores.var(axis=0)
    own = shares @ leverages.mean(axis=1)
    return Field(
        values=smoothed,
        shares=shares,
        explained=explained,
        own_share=float((weights * own).sum() / weights.sum()) if weights.sum() > 0 else 1.0,
    )


def smooth_like(
    scores: Float[np.ndarray, "spot component"],
    graph: sparse.csr_matrix,
    shares: Float[np.ndarray, "component strength"],
) -> Float[np.ndarray, "spot component"]:
    """Return the components of another slide smoothed over its graph, each with the strengths that it is given.

    They are not centred: 0 stays the mean of the slide that the strengths were chosen on.
    """
    smoothed = np.zeros_like(scores)
    for coefficients, term in zip((shares @ _series()).T, _chebyshev_terms(_spread(graph), scores), strict=True):
        smoothed += coefficients * term
    return smoothed


def _shares(slack: float, errors: Float[np.ndarray, "strength spot"]) -> Float[np.ndarray, " strength"]:
    means = errors.mean(axis=1)
    best = means.argmin()
    standard_errors = (errors - errors[best]).std(axis=1) / np.sqrt(errors.shape[1])
    as_good = (means <= means[best] + slack * standard_errors) & (np.arange(len(means)) >= best)
    shares: Float[np.ndarray, " strength"] = as_good / as_good.sum()
    return shares


def _spread(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return L - I, whose spectrum lies in [-1, 1]."""
    degrees = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    roots = sparse.diags(1 / np.sqrt(np.maximum(degrees, 1)))
    return sparse.csr_matrix(-(roots @ graph.astype(np.float64) @ roots))


def _series() -> Float[np.ndarray, "strength term"]:
    """Return the Chebyshev coefficients of w -> 1 / (1 + strength w^2) for w = x + 1."""
    nodes = chebyshev.chebpts1(DEGREE + 1)
    kept = 1 / (1 + STRENGTHS[:, None] * (nodes + 1) ** 2)
    terms = chebyshev.chebvander(nodes, DEGREE)
    series: Float[np.ndarray, "strength term"] = kept @ terms * np.where(np.arange(DEGREE + 1) > 0, 2, 1) / len(nodes)
    return series


def _smoothings(
    spread: sparse.csr_matrix, signals: Float[np.ndarray, "spot signal"]
) -> Float[np.ndarray, "strength spot signal"]:
    """Return the signals smoothed with every strength."""
    total = np.zeros((len(STRENGTHS), *signals.shape))
    for coefficients, term in zip(_series().T, _chebyshev_terms(spread, signals), strict=True):
        total += coefficients[:, None, None] * term
    return total


def _leverages(spread: sparse.csr_matrix) -> Float[np.ndarray, "strength spot"]:
    """Return how much every spot counts in its own smoothed value: the diagonal of the smoother."""
    n_spots = spread.shape[0]
    exact = n_spots <= EXACT_SPOTS
    probes = np.eye(n_spots) if exact else np.random.default_rng(0).choice([-1.0, 1.0], size=(n_spots, N_PROBES))
    total = np.zeros((len(STRENGTHS), n_spots))
    for coefficients, term in zip(_series().T, _chebyshev_terms(spread, probes), strict=True):
        total += coefficients[:, None] * (term * probes).sum(axis=1)
    if not exact:
        total[:] = total.mean(axis=1, keepdims=True) / N_PROBES
    return np.clip(total, 0.0, 0.999)


def _chebyshev_terms(
    spread: sparse.csr_matrix, signals: Float[np.ndarray, "spot signal"]
) -> Iterator[Float[np.ndarray, "spot signal"]]:
    """Yield T_0, T_1, ... of the spread, applied to the signals."""
    before, now = signals, spread @ signals
    yield before
    for _ in range(DEGREE):
        yield now
        before, now = now, 2 * (spread @ now) - before
