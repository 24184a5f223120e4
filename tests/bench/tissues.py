"""Slides whose domains are known by construction: simulated tissues of seven kinds, and real spots put elsewhere.

A simulated tissue has domains, domains have shares of cell types, and a spot draws its cells from them; shares also
drift over the tissue without regard to domains. Counts are negative binomial; a quarter of the genes marks one type,
and a few are turned up in one domain whatever the type.

A rearranged slide takes its spots from a real one: these are sorted into ten states by a factorisation of their counts,
a domain prefers some states to others, and every place draws a spot of a state, thinned. Noise and genes are real, the
domains are ours, and no label of the real slide is read.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF

Shape = Literal["layers", "rings", "patches"]
Coords = Float[np.ndarray, "spot 2"]
Domains = Int[np.ndarray, " spot"]

DISPERSION = 2.0
LIBRARY_SD = 0.4
N_TYPES = 12
MARKER_SHARE = 0.25
"""Of the genes that mark a cell type."""
OWN_SHARE = 0.03
"""Of the genes that cells of whatever type turn up in a domain."""
N_STATES = 10
THINNED = 0.7


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """One kind of simulated slide."""

    place: Literal["square", "hexagonal", "cells"]
    n_spots: int
    shape: Shape
    n_domains: int
    n_genes: int
    depth: int
    """Counts of a spot."""
    separation: float
    """Sd between domains of the logarithm of a cell type's share."""
    drift: float
    """The same over the tissue, without regard to domains."""
    n_cells: int = 1
    """In a spot."""


TISSUES = MappingProxyType(
    {
        "array, patches": Tissue(
            place="square", n_spots=320, shape="patches", n_domains=5, n_genes=8000, depth=2500, n_cells=5,
            separation=0.6, drift=0.6,
        ),
        "array, rings": Tissue(
            place="square", n_spots=260, shape="rings", n_domains=5, n_genes=8000, depth=5000, n_cells=5,
            separation=0.6, drift=0.6,
        ),
        "hexagonal, patches": Tissue(
            place="hexagonal", n_spots=1200, shape="patches", n_domains=6, n_genes=6000, depth=4000, n_cells=4,
            separation=0.5, drift=0.5,
        ),
        "hexagonal, layers": Tissue(
            place="hexagonal", n_spots=1200, shape="layers", n_domains=7, n_genes=6000, depth=2500, n_cells=4,
            separation=0.4, drift=0.5,
        ),
        "cells, layers": Tissue(
            place="cells", n_spots=1200, shape="layers", n_domains=7, n_genes=500, depth=300, separation=1.6, drift=0.4
        ),
        "cells, few genes": Tissue(
            place="cells", n_spots=1100, shape="layers", n_domains=4, n_genes=160, depth=150, separation=1.3, drift=0.4
        ),
        "cells, patches": Tissue(
            place="cells", n_spots=1500, shape="patches", n_domains=5, n_genes=250, depth=200, separation=1.4, drift=0.4
        ),
    }
)  # fmt: skip
REARRANGED: MappingProxyType[str, tuple[Shape, int]] = MappingProxyType(
    {
        "mvc": ("layers", 7),
        "mpfc_1": ("layers", 4),
        "mob": ("rings", 5),
        "her2st_A1": ("patches", 5),
        "her2st_B1": ("patches", 5),
        "her2st_C1": ("patches", 4),
        "her2st_D1": ("patches", 5),
    }
)
"""Shape and number of the domains that are put into a real slide's places."""


def simulate(tissue: Tissue, seed: int) -> AnnData:
    """Return a slide of a kind: counts, places, and `obs["region"]`."""
    rng = np.random.default_rng(seed)
    coords = _places(tissue, rng)
    domains = _domains(tissue.shape, coords, tissue.n_domains, rng)
    marked = (rng.random(tissue.n_genes) < MARKER_SHARE) * rng.normal(1.6, 0.5, tissue.n_genes)
    fold = rng.normal(0, 0.15, (N_TYPES, tissue.n_genes))
    fold[rng.integers(0, N_TYPES, tissue.n_genes), np.arange(tissue.n_genes)] += marked
    common = rng.normal(0, 0.7, N_TYPES)
    share = np.exp(common + tissue.separation * rng.normal(size=(tissue.n_domains, N_TYPES)))[domains]
    share *= np.exp(tissue.drift * _drifts(coords, N_TYPES, rng))
    share /= share.sum(axis=1, keepdims=True)
    cells = np.stack([rng.multinomial(tissue.n_cells, one) for one in share])
    own = (rng.random((tissue.n_domains, tissue.n_genes)) < OWN_SHARE) * rng.normal(0.7, 0.3, tissue.n_genes)
    means = cells @ np.exp(fold) * np.exp(rng.normal(0, 1.6, tissue.n_genes) + own[domains])
    library = tissue.depth * np.exp(rng.normal(0, LIBRARY_SD, len(coords)))
    means *= (library / means.sum(axis=1))[:, None]
    counts = rng.poisson(rng.gamma(DISPERSION, means / DISPERSION))
    return _slide(sparse.csr_matrix(counts), coords, domains, [f"G{gene}" for gene in range(tissue.n_genes)])


def rearrange(path: Path, seed: int, *, separation: float = 2.2, drift: float = 0.6, noise: float = 0.8) -> AnnData:
    """Return a real slide's spots in domains of our own, which `obs["region"]` names."""
    whole, states = _states(path)
    shape, n_domains = REARRANGED[path.stem]
    rng, coords = np.random.default_rng(seed), np.asarray(whole.obsm["spatial"], dtype=float)
    domains = _domains(shape, coords, n_domains, rng)
    liked = 0.6 * np.log(np.bincount(states, minlength=N_STATES) + 1)
    liked = (liked + separation * rng.normal(size=(n_domains, N_STATES)))[domains]
    liked += drift * _drifts(coords, N_STATES, rng) + noise * rng.gumbel(size=liked.shape)
    drawn = np.array([rng.choice(np.flatnonzero(states == state)) for state in liked.argmax(axis=1)])
    counts = sparse.csr_matrix(whole.X[drawn])
    counts.data = rng.binomial(counts.data.astype(int), THINNED)
    counts.eliminate_zeros()
    return _slide(counts, coords, domains, list(whole.var_names))


@cache
def _states(path: Path) -> tuple[AnnData, Int[np.ndarray, " spot"]]:
    """Return the spots with counts, and the state of each."""
    whole = ad.read_h5ad(path)
    whole = whole[np.asarray(whole.X.sum(axis=1)).ravel() >= 10].copy()
    counts = sparse.csr_matrix(whole.X, dtype=np.float64)
    counts = counts[:, np.asarray((counts > 0).sum(axis=0)).ravel() >= 10]
    library = np.asarray(counts.sum(axis=1)).ravel()
    factors = NMF(N_STATES, beta_loss="kullback-leibler", solver="mu", init="nndsvda", max_iter=150, random_state=0)
    share = factors.fit_transform(sparse.diags(np.median(library) / np.maximum(library, 1)) @ counts)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    return whole, KMeans(N_STATES, n_init=10, random_state=0).fit_predict(np.sqrt(share))


def _slide(counts: sparse.csr_matrix, coords: Coords, domains: Domains, genes: list[str]) -> AnnData:
    region = pd.Categorical([f"D{domain}" for domain in domains])
    spots = pd.DataFrame({"region": region}, index=[f"spot-{spot}" for spot in range(len(coords))])
    slide = AnnData(counts.astype(np.float32), obs=spots, var=pd.DataFrame(index=pd.Index(genes, dtype=str)))
    slide.obsm["spatial"] = coords
    return slide


def _places(tissue: Tissue, rng: np.random.Generator) -> Coords:
    """Return places in micrometres: anywhere for cells, the grid's nearest to its middle for spots."""
    n = tissue.n_spots
    if tissue.place == "cells":
        return rng.uniform(0, 10 * np.sqrt(n), (n, 2))
    side = int(np.ceil(np.sqrt(n)))
    row, column = np.divmod(np.arange(side**2), side)
    if tissue.place == "square":
        grid = 200.0 * np.column_stack([column, row])
    else:
        grid = 100.0 * np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])
    return grid[np.argsort(np.linalg.norm(grid - grid.mean(axis=0), axis=1), kind="stable")[:n]]


def _domains(shape: Shape, coords: Coords, n_domains: int, rng: np.random.Generator) -> Domains:
    """Return layers across the slide, rings around its middle, or patches of unequal size."""
    centred = coords - coords.mean(axis=0)
    if shape == "patches":
        fields = np.stack([_wave(coords, rng, 0.25, 0.9) for _ in range(n_domains)], axis=1)
        return (fields + rng.normal(0, 0.7, n_domains)).argmax(axis=1)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.linalg.norm(centred, axis=1) if shape == "rings" else centred @ [np.cos(angle), np.sin(angle)]
    bent = along / np.ptp(along) + 0.07 * _wave(coords, rng, 0.5, 1.5)
    return np.searchsorted(np.quantile(bent, np.cumsum(rng.dirichlet(np.full(n_domains, 5.0)))[:-1]), bent)


def _drifts(coords: Coords, n: int, rng: np.random.Generator) -> Float[np.ndarray, "spot n"]:
    return np.stack([_wave(coords, rng, 0.15, 0.5) for _ in range(n)], axis=1)


def _wave(coords: Coords, rng: np.random.Generator, shortest: float, longest: float) -> Float[np.ndarray, " spot"]:
    """Return a smooth field of unit variance; wavelengths are shares of the slide's side."""
    n_waves, side = 12, np.ptp(coords, axis=0).max()
    angle, length = rng.uniform(0, 2 * np.pi, n_waves), side * rng.uniform(shortest, longest, n_waves)
    phases = coords @ (2 * np.pi * np.vstack([np.cos(angle), np.sin(angle)]) / length)
    return np.sqrt(2 / n_waves) * np.cos(phases + rng.uniform(0, 2 * np.pi, n_waves)).sum(axis=1)
