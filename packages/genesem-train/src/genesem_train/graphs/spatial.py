"""Coordinates to edges between spatial neighbours (paper, equation 1)."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from genesem_train.errors import ConfigError
from genesem_train.graphs.edges import graph_of, symmetric

ADAPTIVE_STEPS = (100.0, 10.0, 5.0)
ADAPTIVE_LIMIT = 1000.0


def spatial_graph(
    coords: Float[np.ndarray, "spot 2"],
    *,
    kind: Literal["radius", "adaptive", "knn"],
    radius: float | None = None,
    k: int = 15,
) -> sparse.csr_matrix:
    """Return the graph of spatial neighbours.

    Parameters
    ----------
    coords
        Finite coordinates.
    kind
        ``radius``: all pairs within `radius` (paper, equation 1). ``adaptive``: all pairs within the threshold that
        `adaptive_radius` finds for `k`. ``knn``: the `k` nearest spots, an edge where either end chose the other.
    radius
        In the units of `coords`.

    Raises
    ------
    ConfigError
        When ``radius`` is asked for and none is given, or ``adaptive`` finds no threshold.
    """
    if kind == "knn":
        return symmetric(nearest_spots(coords, min(k, len(coords) - 1)), len(coords))
    if kind == "adaptive":
        radius = adaptive_radius(coords, k)
    if radius is None or radius <= 0:
        msg = f"the spatial graph of kind radius has radius {radius}; expected a length above 0: set graph.radius"
        raise ConfigError(msg)
    pairs = cKDTree(coords).query_pairs(radius, output_type="ndarray")
    return graph_of(pairs[:, 0], pairs[:, 1], len(coords))


def adaptive_radius(coords: Float[np.ndarray, "spot 2"], degree: int) -> float:
    """Return the smallest threshold at which some spot has at least `degree` neighbours and every spot at least 2.

    The released code's rule for its "radius" of 15 on HBC and MBA: thresholds of a grid of 100, then 10, then 5 pixels
    up to 1000; the spot itself counts, the smallest degree must pass 2 and the largest must pass `degree`.

    Raises
    ------
    ConfigError
        When no threshold up to 1000 does.
    """
    tree = cKDTree(coords)
    low, found = 0.0, ADAPTIVE_LIMIT
    for step in ADAPTIVE_STEPS:
        for threshold in np.arange(low + step, found + step / 2, step):
            degrees = tree.query_ball_point(coords, threshold, return_length=True, workers=-1)
            if degrees.min() > 2 and degrees.max() > degree:
                low, found = threshold - step, float(threshold)
                break
        else:
            if step == ADAPTIVE_STEPS[0]:
                msg = (
                    f"no distance up to {ADAPTIVE_LIMIT:g} gives every spot 2 neighbours and one of them {degree}; "
                    "set graph.spatial to knn, or to radius with graph.radius in the units of the coordinates"
                )
                raise ConfigError(msg)
    return found


def nearest_spots(points: Float[np.ndarray, "spot dim"], k: int) -> Int[np.ndarray, "spot k"]:
    """Return the `k` nearest other spots of each spot, nearest first; spots on the same place may be neighbours."""
    found = cKDTree(points).query(points, k=k + 1, workers=-1)[1]
    others = found != np.arange(len(points))[:, None]
    others[others.all(axis=1), -1] = False  # more than k spots on one place can hide the spot itself
    nearest: Int[np.ndarray, "spot k"] = found[others].reshape(len(points), k)
    return nearest
