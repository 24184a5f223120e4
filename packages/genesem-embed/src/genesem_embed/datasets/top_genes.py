"""The genes that stand for a spot: its most expressed ones, after preprocessing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from genesem_embed.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SpotGenes:
    """Ranked genes of every spot, as in a CSR matrix: those of spot i are `indices[indptr[i]:indptr[i + 1]]`."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    """Positions of genes, the most expressed first within a spot."""


def spot_genes(processed: AnnData, k: int) -> SpotGenes:
    """Return the top `k` genes of each spot by value, ties by gene order.

    Only genes with a count above zero in the spot are listed, so a spot may have fewer than `k`, or none. The published
    code lists genes with zero counts when a spot expresses fewer than `k`; here they are left out.

    Parameters
    ----------
    processed
        As `preprocess` returns it: values in `X`, raw counts in `layers["counts"]` (`X` itself where there is none).
    k
        Genes per spot, at least 1.

    Raises
    ------
    InputError
        `k` is below 1.
    """
    if k < 1:
        msg = f"the number of top genes is {k}; expected at least 1: set --top-genes"
        raise InputError(msg)
    counts = sparse.coo_matrix(processed.layers.get("counts", processed.X))
    expressed = counts.data > 0
    spot, gene = counts.row[expressed], counts.col[expressed]
    value = _values_at(processed, spot, gene)
    order = np.lexsort((gene, -value, spot))
    per_spot = np.bincount(spot, minlength=processed.n_obs)
    rank = np.arange(len(order)) - np.repeat(np.cumsum(per_spot) - per_spot, per_spot)
    indptr = np.concatenate([[0], np.cumsum(np.minimum(per_spot, k))])
    return SpotGenes(indptr=indptr, indices=gene[order][rank < k].astype(np.int64))


def _values_at(processed: AnnData, spot: npt.NDArray[Any], gene: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    values = sparse.csr_matrix(processed.X)
    if not len(spot):
        return np.zeros(0)
    return np.asarray(values[spot, gene], dtype=np.float64).ravel()
