"""A slide's counts in the order of a fitted model's genes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from anndata import AnnData
from scipy import sparse

from genesem_train.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class AlignedCounts:
    """Counts of a slide in the order of a model's genes."""

    counts: sparse.csr_matrix
    missing: list[str]
    """Genes of the model that the slide has not; their counts are 0."""


def align_genes(slide: AnnData, genes: Sequence[str]) -> AlignedCounts:
    """Return the slide's counts of `genes`, in their order.

    Raises
    ------
    ConfigError
        When the slide has none of them.
    """
    column = {gene: position for position, gene in enumerate(slide.var_names)}
    missing = [gene for gene in genes if gene not in column]
    if len(missing) == len(genes):
        msg = (
            f"the slide has none of the model's {len(genes)} genes ({', '.join(genes[:5])}, ...), but "
            f"{', '.join(slide.var_names[:5])}, ...: take a slide of the same organism, with gene symbols"
        )
        raise ConfigError(msg)
    found = np.array([gene in column for gene in genes])
    counts = sparse.csc_matrix(slide.X, dtype=np.float32)[:, [column[gene] for gene in genes if gene in column]]
    place = sparse.csr_matrix(
        (np.ones(found.sum(), np.float32), (np.arange(found.sum()), np.flatnonzero(found))),
        shape=(int(found.sum()), len(genes)),
    )
    aligned = sparse.csr_matrix(counts @ place)
    aligned.sort_indices()  # sums over a spot run in the order of the fit's
    return AlignedCounts(counts=aligned, missing=missing)
