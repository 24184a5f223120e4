"""Scaled expression to edges between similar spots (paper, equation 2)."""

import warnings
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from genesem_train.graphs.candidates import EFFORTS, likely_neighbours
from genesem_train.graphs.edges import graph_of
from genesem_train.sparse import SparseMatrix

BLOCK_BYTES = 128 * 2**20
EXACT_PRODUCTS = 3e11
"""Up to so many products, a minute or two of one core, ``auto`` compares all pairs."""
WANTED_RECALL = 0.95

Method = Literal["auto", "exact", "approximate"]


def feature_graph(values: sparse.csr_matrix, *, k: int, method: Method = "auto") -> sparse.csr_matrix:
    """Return the graph of the `k` most similar spots by cosine; parameters as for `measured_feature_graph`."""
    return measured_feature_graph(values, k=k, method=method)[0]


def measured_feature_graph(
    values: sparse.csr_matrix, *, k: int, method: Method = "auto"
) -> tuple[sparse.csr_matrix, float | None]:
    """Return the graph of the `k` most similar spots by cosine, and its recall.

    An edge stands where either end chose the other. A spot without values, or with no gene in common with another, gets
    no edge to it: the cosine there says nothing.

    Parameters
    ----------
    values
        Scaled expression; not negative.
    method
        ``exact`` compares all pairs, block by block. ``approximate`` compares each spot with candidates that
        `likely_neighbours` finds, with more effort where fewer than 95 % of a sample's neighbours are found. ``auto``
        is exact where that takes a minute or two.

    Returns
    -------
    tuple
        The graph, and the share of the true neighbours of a sample that are among its edges, 0 to 1; None where the
        graph is exact. A share below 0.95 is warned about.
    """
    unit = unit_rows(values)
    k = min(k, len(unit.indptr) - 2)
    if method == "exact" or (method == "auto" and unit.shape[0] * unit.nnz <= EXACT_PRODUCTS):
        return _joined(*exact_neighbours(unit, np.arange(unit.shape[0]), k)), None
    recall = 0.0
    for effort in range(len(EFFORTS)):
        graph = _joined(*best_candidates(unit, likely_neighbours(unit, k, effort=effort), k))
        recall = neighbour_recall(values, graph, k=k)
        if recall >= WANTED_RECALL:
            break
    if recall < WANTED_RECALL:
        warnings.warn(
            f"the approximate expression graph has {recall:.1%} of the true neighbours of a sample of spots; expected "
            f"at least {WANTED_RECALL:.0%}: set graph.feature_method to exact in --config",
            UserWarning,
            stacklevel=2,
        )
    return graph, recall


def _joined(neighbours: Int[np.ndarray, "spot k"], cosines: Float[np.ndarray, "spot k"]) -> sparse.csr_matrix:
    similar = cosines > 0
    return graph_of(np.repeat(np.arange(len(similar)), similar.sum(axis=1)), neighbours[similar], len(similar))


def neighbour_recall(values: sparse.csr_matrix, graph: sparse.csr_matrix, *, k: int, n_spots: int = 500) -> float:
    """Return the share of the exact `k` neighbours that are edges of `graph`, over spots drawn with a fixed seed.

    Only neighbours with a cosine above 0 count; where there are none, none is missed.
    """
    unit = unit_rows(values)
    spots = np.random.default_rng(0).permutation(unit.shape[0])[:n_spots]
    neighbours, cosines = exact_neighbours(unit, spots, min(k, unit.shape[0] - 1))
    linked = np.asarray(graph[np.repeat(spots, neighbours.shape[1]), neighbours.ravel()]).ravel()
    found = linked[cosines.ravel() > 0]
    return float(found.mean()) if len(found) else 1.0


def exact_neighbours(
    unit: sparse.csr_matrix, spots: Int[np.ndarray, " query"], k: int
) -> tuple[Int[np.ndarray, "query k"], Float[np.ndarray, "query k"]]:
    """Return the `k` other rows of greatest cosine with each of `spots`, and the cosines, best first."""
    n_spots, n_genes = unit.shape
    everything = SparseMatrix.from_scipy(unit).matrix
    rows_per_block = max(1, BLOCK_BYTES // (4 * max(n_spots, n_genes)))
    chosen, cosines = [], []
    for start in range(0, len(spots), rows_per_block):
        block = torch.from_numpy(spots[start : start + rows_per_block])
        queries = torch.from_numpy(unit[block.numpy()].toarray())
        similar = (everything @ queries.T).T.contiguous()
        similar[torch.arange(len(block)), block] = -1.0
        best = similar.topk(k, dim=1)
        chosen.append(best.indices.numpy())
        cosines.append(best.values.numpy())
    return np.concatenate(chosen), np.concatenate(cosines)


def best_candidates(
    unit: sparse.csr_matrix, candidates: Int[np.ndarray, "spot candidate"], k: int
) -> tuple[Int[np.ndarray, "spot k"], Float[np.ndarray, "spot k"]]:
    """Return the `k` of each spot's candidates of greatest exact cosine with it, and the cosines, best first."""
    n_candidates = candidates.shape[1]
    per_block = max(1, BLOCK_BYTES // (16 * n_candidates * max(1, unit.nnz // unit.shape[0])))
    cosines = np.empty(candidates.shape, dtype=np.float32)
    for start in range(0, len(candidates), per_block):
        block = candidates[start : start + per_block]
        queries = unit[start : start + per_block].toarray()
        others = unit[block.ravel()]
        query = np.repeat(np.arange(len(block)), np.diff(others.indptr).reshape(block.shape).sum(axis=1))
        products = np.append(others.data * queries[query, others.indices], np.float32(0))
        sums = np.add.reduceat(products, others.indptr[:-1])
        sums[np.diff(others.indptr) == 0] = 0  # reduceat returns the next product where a row is empty
        cosines[start : start + per_block] = sums.reshape(block.shape)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def unit_rows(values: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the rows at length 1; rows of zeros stay."""
    csr = sparse.csr_matrix(values, dtype=np.float32)
    norms = np.sqrt(np.asarray(csr.multiply(csr).sum(axis=1), dtype=np.float64)).ravel()
    return sparse.csr_matrix(sparse.diags(1 / np.where(norms > 0, norms, 1.0)) @ csr, dtype=np.float32)
