"""Raw counts to the matrix that texts and models see: one place for both packages.

What enters is a validated slide (raw counts in `X`). What leaves is a smaller slide of the chosen genes, with the
scaled values in `X` and the counts in `layers["counts"]`. Ties go by gene order, so the result is the same on every
machine and for every number of threads.
"""

import numpy as np
import numpy.typing as npt
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets.fingerprint import labels
from genesem_embed.datasets.options import PreprocessOptions
from genesem_embed.datasets.scaling import per_ten_thousand, scale_counts
from genesem_embed.errors import InputError

MIN_CELLS_SETTING = "--min-cells of genesem-embed build, [preprocess] in a TOML file"


def preprocess(slide: AnnData, options: PreprocessOptions, *, drop_unlabelled: str | None = None) -> AnnData:
    """Return the kept spots and the chosen genes of `slide`, with values as the options say.

    Parameters
    ----------
    slide
        Raw counts in `X`; left as it is.
    options
        Gene filter, choice of genes and scaling.
    drop_unlabelled
        Column of `obs`; spots without a label there are dropped before anything is counted.

    Returns
    -------
    AnnData
        `X` holds float32 values in CSR, `layers["counts"]` the raw counts of the same genes. A spot without counts in
        the chosen genes is a row of zeros.

    Raises
    ------
    InputError
        No spot has a label, fewer than two genes are found in `min_cells` spots, or the choice of variable genes fails.
    """
    kept = slide if drop_unlabelled is None else slide[labels(slide, drop_unlabelled).notna()]
    counts = sparse.csr_matrix(kept.X, dtype=np.float32)
    genes = _frequent_genes(counts, options.min_cells)
    genes = genes[_variable_genes(counts[:, genes], options)]
    processed = kept[:, genes].copy()
    chosen = counts[:, genes]
    chosen.sort_indices()
    processed.X = scale_counts(chosen, options.scaling).values
    processed.layers.clear()
    processed.layers["counts"] = chosen
    return processed


def _frequent_genes(counts: sparse.csr_matrix, min_cells: int) -> npt.NDArray[np.intp]:
    n_cells = np.bincount(counts.indices[counts.data > 0], minlength=counts.shape[1])
    genes = np.flatnonzero(n_cells >= min_cells)
    if not len(genes):
        msg = (
            f"no gene is found in at least {min_cells} of the {counts.shape[0]} spots; the most frequent one is in "
            f"{n_cells.max(initial=0)}: lower min_cells ({MIN_CELLS_SETTING}) to at most that"
        )
        raise InputError(msg)
    if len(genes) < 2:
        msg = (
            f"one gene is found in at least {min_cells} of the {counts.shape[0]} spots; expected at least 2: "
            f"take a slide with more genes, or lower min_cells ({MIN_CELLS_SETTING})"
        )
        raise InputError(msg)
    return genes


def _variable_genes(counts: sparse.csr_matrix, options: PreprocessOptions) -> npt.NDArray[np.intp]:
    """Return the positions of the `n_hvg` most variable genes, in gene order."""
    if options.n_hvg >= counts.shape[1]:
        return np.arange(counts.shape[1])
    table, score = AnnData(X=counts.copy()), "variances_norm"
    if options.hvg_flavor == "seurat":
        table.X, score = _log_normalised(counts), "dispersions_norm"
    try:
        found = sc.pp.highly_variable_genes(table, flavor=options.hvg_flavor, n_top_genes=options.n_hvg, inplace=False)
    except ValueError as error:
        msg = (
            f"the {options.hvg_flavor} choice of {options.n_hvg} among {counts.shape[1]} genes failed: {error}; "
            "use the other hvg_flavor (seurat or seurat_v3), or an n_hvg of at least the number of genes"
        )
        raise InputError(msg) from error
    # scanpy breaks ties by an unstable sort; rounding takes away what the order of sums adds.
    ranked = np.round(found[score].fillna(-np.inf).to_numpy(dtype=float), 9)
    return np.sort(np.argsort(-ranked, kind="stable")[: options.n_hvg])


def _log_normalised(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    values = per_ten_thousand(counts)
    np.log1p(values.data, out=values.data)
    return values
