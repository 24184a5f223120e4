"""A simulated slide of human cortex: small, made in a second, and hard enough to tell methods apart.

Six layers and white matter lie on a hexagonal grid with the pitch of a Visium array, their borders curved. Counts are
zero-inflated negative binomial: published layer markers (`demo_genes.toml`) over a background of housekeeping,
neuronal and glial genes, with cell-type shares, library sizes and dropout that vary from spot to spot without regard to
layers.
"""

import tomllib
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

LAYERS = ("L1", "L2", "L3", "L4", "L5", "L6", "WM")
N_ROWS, N_COLUMNS = 40, 38
PITCH_UM = 100.0
BORDERS = (0.10, 0.22, 0.42, 0.53, 0.70, 0.86)
"""Cortical depth at which a layer ends, pial surface 0 and lower edge 1."""
BLUR = 0.012
"""Depth over which two layers mix at their border."""
MARKER_LOG_FOLD = 1.5
SHARE_SD = 0.2
"""Spread of the logarithm of a cell type's share between spots: what hides the layers from methods blind to space."""
PATCH_SD = 0.4
"""The same for a smooth field over the tissue: what smoothing over neighbours cannot remove."""
PATCH_UM = (700.0, 2000.0)
"""Wavelengths of that field."""
LIBRARY_SD = 0.35
DISPERSION = 2.0
"""Inverse dispersion of the negative binomial."""
DROPOUT = 0.10

Float = npt.NDArray[np.float64]


def make_demo(seed: int = 0) -> AnnData:
    """Return the simulated cortex: raw counts, `obsm["spatial"]` in micrometres and `obs["region"]`.

    The same seed gives the same slide. Genes are simulated: nothing here is evidence about a brain.

    Parameters
    ----------
    seed
        Of everything that is drawn at random, the curvature of the layers included.
    """
    rng = np.random.default_rng(seed)
    coords = _hexagonal_grid()
    depth = _cortical_depth(coords, rng)
    genes = _read_genes()
    counts = _draw_counts(_mean_counts(_layer_shares(depth), coords, genes, rng), rng)
    region = pd.Categorical(np.array(LAYERS)[np.searchsorted(BORDERS, depth)], categories=list(LAYERS))
    slide = AnnData(
        sparse.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame({"region": region}, index=[f"spot-{i:04d}" for i in range(len(coords))]),
        var=pd.DataFrame(index=pd.Index([*genes["markers"], *_background(genes)], dtype=str)),
    )
    slide.obsm["spatial"] = coords
    slide.uns["genesem"] = {"name": "demo", "source": f"simulated by genesem-embed, seed {seed}", "organism": "human"}
    return slide


def demo_descriptions() -> dict[str, str]:
    """Return one line per layer marker of the demo, in our own words."""
    return {symbol: marker["text"] for symbol, marker in _read_genes()["markers"].items()}


def _read_genes() -> dict[str, Any]:
    return tomllib.loads((files("genesem_embed.datasets") / "demo_genes.toml").read_text("utf-8"))


def _background(genes: dict[str, Any]) -> list[str]:
    return [symbol for group in genes["background"].values() for symbol in group]


def _hexagonal_grid() -> Float:
    row, column = np.divmod(np.arange(N_ROWS * N_COLUMNS), N_COLUMNS)
    return PITCH_UM * np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])


def _cortical_depth(coords: Float, rng: np.random.Generator) -> Float:
    """Return the depth of each spot from 0 to 1, along borders that bend like a fold."""
    across, down = (coords / coords.max(axis=0)).T
    phase, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.08, 0.12)
    fold = bend * np.sin(np.pi * across + phase) + 0.03 * np.sin(3 * np.pi * across + 2 * phase)
    depth: Float = np.clip(down + fold * np.sin(np.pi * np.clip(down, 0.15, 0.85)), 0, 1)
    return depth


def _layer_shares(depth: Float) -> Float:
    """Return how much of a spot belongs to each layer; near a border two layers mix."""
    passed = 1 / (1 + np.exp((np.array(BORDERS) - depth[:, None]) / BLUR))
    edges = np.column_stack([np.ones(len(depth)), passed, np.zeros(len(depth))])
    return -np.diff(edges, axis=1)


def _mean_counts(shares: Float, coords: Float, genes: dict[str, Any], rng: np.random.Generator) -> Float:
    """Return the expected count of every gene in every spot."""
    n_spots, markers = len(shares), genes["markers"]
    n_genes = len(markers) + len(_background(genes))
    level = np.concatenate([rng.normal(-0.6, 0.5, len(markers)), rng.normal(0.2, 0.9, n_genes - len(markers))])
    fold = np.zeros((len(LAYERS), n_genes))
    for gene, marker in enumerate(markers.values()):
        fold[[LAYERS.index(name) for name in marker["layers"]], gene] = rng.normal(MARKER_LOG_FOLD, 0.25)
    means: Float = np.log(shares @ np.exp(fold)) + level + rng.normal(0, LIBRARY_SD, (n_spots, 1))
    start = len(markers)
    for group in genes["background"].values():
        share = SHARE_SD * rng.normal(size=n_spots) + PATCH_SD * _patches(coords, rng)
        means[:, start : start + len(group)] += share[:, None] * rng.uniform(0.3, 1, len(group))
        start += len(group)
    return np.asarray(np.exp(means))


def _patches(coords: Float, rng: np.random.Generator) -> Float:
    """Return a smooth random field of unit variance: the sum of plane waves some hundred micrometres long."""
    n_waves = 12
    angle, length_um = rng.uniform(0, 2 * np.pi, n_waves), rng.uniform(*PATCH_UM, n_waves)
    waves = 2 * np.pi * coords @ np.vstack([np.cos(angle), np.sin(angle)]) / length_um
    field: Float = np.sqrt(2 / n_waves) * np.cos(waves + rng.uniform(0, 2 * np.pi, n_waves)).sum(axis=1)
    return field


def _draw_counts(means: Float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return zero-inflated negative binomial counts."""
    counts = rng.poisson(rng.gamma(DISPERSION, means / DISPERSION))
    return np.where(rng.random(means.shape) < DROPOUT, 0, counts)
