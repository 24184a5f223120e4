"""Coordinates and expression to edges, and edges to propagation weights.

What enters are coordinates or scaled values; what leaves are sparse graphs: boolean, symmetric, no diagonal, indices
sorted. Every step works on neighbour lists or on row blocks, so nothing ever grows with the square of the spots.
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from scipy.spatial import cKDTree

from genesem_train.errors import ConfigError
from genesem_train.sparse import SparseMatrix

ADAPTIVE_STEPS = (100.0, 10.0, 5.0)
ADAPTIVE_LIMIT = 1000.0
BLOCK_BYTES = 128 * 2**20


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
        return _symmetric(nearest_spots(coords, min(k, len(coords) - 1)), len(coords))
    if kind == "adaptive":
        radius = adaptive_radius(coords, k)
    if radius is None or radius <= 0:
        msg = f"the spatial graph of kind radius has radius {radius}; expected a length above 0: set graph.radius"
        raise ConfigError(msg)
    pairs = cKDTree(coords).query_pairs(radius, output_type="ndarray")
    return _graph(pairs[:, 0], pairs[:, 1], len(coords))


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


def feature_graph(values: sparse.csr_matrix, *, k: int) -> sparse.csr_matrix:
    """Return the graph of the `k` most similar spots by cosine, an edge where either end chose the other.

    Exact (paper, equation 2). Rows are compared block by block. A spot without values, or without any gene in common
    with another, gets no edge to it: the cosine there says nothing.
    """
    unit = _unit_rows(values)
    n_spots = values.shape[0]
    k = min(k, n_spots - 1)
    everything = SparseMatrix.from_scipy(unit).matrix
    rows_per_block = max(1, BLOCK_BYTES // (4 * max(n_spots, values.shape[1])))
    chosen, weights = [], []
    for start in range(0, n_spots, rows_per_block):
        block = torch.from_numpy(unit[start : start + rows_per_block].toarray())
        cosines = (everything @ block.T).T.contiguous()
        cosines.diagonal(start).fill_(-1.0)
        best = cosines.topk(k, dim=1)
        chosen.append(best.indices.numpy())
        weights.append(best.values.numpy())
    neighbours, similar = np.concatenate(chosen), np.concatenate(weights) > 0
    return _graph(np.repeat(np.arange(n_spots), similar.sum(axis=1)), neighbours[similar], n_spots)


def propagation(
    adjacency: sparse.csr_matrix, *, norm: Literal["row", "symmetric"] = "row", self_weight: float = 1.0
) -> SparseMatrix:
    """Return the weights by which a graph convolution spreads signals.

    Parameters
    ----------
    adjacency
        A graph without diagonal.
    norm
        ``row``: D^-1 (A + w I), the released code's. ``symmetric``: D^-1/2 (A + w I) D^-1/2, the paper's equation 3.
    self_weight
        w; the released code has 2 where its radius query already returned the spot itself (DLPFC), else 1.
    """
    looped = adjacency.astype(np.float32) + self_weight * sparse.identity(adjacency.shape[0], np.float32, format="csr")
    degree = np.asarray(looped.sum(axis=1), dtype=np.float64).ravel()
    if norm == "row":
        return SparseMatrix.from_scipy(sparse.diags(1 / degree) @ looped)
    root = sparse.diags(1 / np.sqrt(degree))
    return SparseMatrix.from_scipy(root @ looped @ root)


def _unit_rows(values: sparse.csr_matrix) -> sparse.csr_matrix:
    csr = sparse.csr_matrix(values, dtype=np.float32)
    norms = np.sqrt(np.asarray(csr.multiply(csr).sum(axis=1), dtype=np.float64)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / np.where(norms > 0, norms, 1.0)) @ csr, dtype=np.float32)


def _symmetric(neighbours: Int[np.ndarray, "spot k"], n_spots: int) -> sparse.csr_matrix:
    return _graph(np.repeat(np.arange(n_spots), neighbours.shape[1]), neighbours.ravel(), n_spots)


def _graph(rows: Int[np.ndarray, " edge"], columns: Int[np.ndarray, " edge"], n_spots: int) -> sparse.csr_matrix:
    ends = (np.concatenate([rows, columns]), np.concatenate([columns, rows]))
    graph = sparse.csr_matrix((np.ones(len(ends[0]), dtype=bool), ends), shape=(n_spots, n_spots))
    graph.sort_indices()
    return graph
