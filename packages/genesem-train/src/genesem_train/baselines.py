"""The plain methods that every report shows: principal components, and the same smoothed over neighbours.

The recipe is the one in docs/design.md, kept apart from the network's preprocessing so that a preset cannot weaken it.
"""

import warnings

import numpy as np
import scanpy as sc
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse

from genesem_train.domains import kmeans_domains
from genesem_train.graphs.spatial import nearest_spots

MIN_CELLS = 10
N_HVG = 3000
N_COMPONENTS = 30
N_SMOOTHED = 20
SINGLE_CELL_K = 15
SPOT_ARRAY_K = 6
ROUNDS = 2


def pca_domains(slide: AnnData, n_domains: int, seed: int) -> Int[np.ndarray, " spot"]:
    """Return k-means domains of the principal components, which know nothing of space."""
    return kmeans_domains(principal_components(slide), n_domains, seed)


def smooth_pca_domains(slide: AnnData, n_domains: int, seed: int, *, single_cell: bool) -> Int[np.ndarray, " spot"]:
    """Return k-means domains of the smoothed principal components: 15 neighbours for single cells, 6 for spots."""
    return kmeans_domains(smooth_components(slide, single_cell=single_cell), n_domains, seed)


def smooth_components(slide: AnnData, *, single_cell: bool) -> Float[np.ndarray, "spot dim"]:
    """Return the first 20 principal components, twice replaced by their mean over the nearest other spots."""
    smoothed = principal_components(slide)[:, :N_SMOOTHED]
    k = SINGLE_CELL_K if single_cell else SPOT_ARRAY_K
    neighbours = nearest_spots(np.asarray(slide.obsm["spatial"], dtype=float), min(k, slide.n_obs - 1))
    for _ in range(ROUNDS):
        smoothed = smoothed[neighbours].mean(axis=1)
    return smoothed


def principal_components(slide: AnnData) -> Float[np.ndarray, "spot dim"]:
    """Return up to 30 principal components of the scaled, log-normalised variable genes of raw counts."""
    table = AnnData(sparse.csr_matrix(slide.X, dtype=np.float32))
    frequent = np.asarray((table.X > 0).sum(axis=0)).ravel() >= min(MIN_CELLS, slide.n_obs)
    table = table[:, frequent].copy()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Some cells have zero counts")
        sc.pp.normalize_total(table, target_sum=1e4)
    sc.pp.log1p(table)
    if table.n_vars > N_HVG:
        sc.pp.highly_variable_genes(table, flavor="seurat", n_top_genes=N_HVG)
        table = table[:, table.var["highly_variable"].to_numpy()].copy()
    table.X = table.X.toarray()
    sc.pp.scale(table, max_value=10)
    n_components = min(N_COMPONENTS, *(size - 1 for size in table.shape))
    sc.pp.pca(table, n_comps=n_components, random_state=0)
    return np.asarray(table.obsm["X_pca"])
