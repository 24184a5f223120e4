"""Neighbour lists to graphs: boolean, symmetric, no diagonal, indices sorted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Int, Shaped
from scipy import sparse


def symmetric(neighbours: Int[np.ndarray, "spot k"], n_spots: int) -> sparse.csr_matrix:
    """Return the graph with an edge where either end lists the other."""
    return graph_of(np.repeat(np.arange(n_spots), neighbours.shape[1]), neighbours.ravel(), n_spots)


def graph_of(rows: Int[np.ndarray, " edge"], columns: Int[np.ndarray, " edge"], n_spots: int) -> sparse.csr_matrix:
    """Return the graph whose edges join `rows` and `columns`, in both directions."""
    ends = (np.concatenate([rows, columns]), np.concatenate([columns, rows]))
    graph = sparse.csr_matrix((np.ones(len(ends[0]), dtype=bool), ends), shape=(n_spots, n_spots))
    graph.sort_indices()
    return graph


def graph_within(
    groups: Shaped[np.ndarray, " spot"], build: Callable[[Int[np.ndarray, " member"]], sparse.csr_matrix]
) -> sparse.csr_matrix:
    """Return one graph without edges between groups: `build` makes that of the spots it is given.

    For several slides in one fit: a spot of one slide is never a neighbour of another's.
    """
    rows, columns = [], []
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        ends = build(members).nonzero()
        rows.append(members[ends[0]])
        columns.append(members[ends[1]])
    return graph_of(np.concatenate(rows), np.concatenate(columns), len(groups))
