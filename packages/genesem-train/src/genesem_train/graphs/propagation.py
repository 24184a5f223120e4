"""Edges to the weights by which a graph convolution spreads signals (paper, equation 3)."""

from typing import Literal

import numpy as np
from scipy import sparse

from genesem_train.sparse import SparseMatrix


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
