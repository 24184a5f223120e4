"""The slides of a fit: one, or several joined into one that no edge crosses."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pandas as pd
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse

from genesem_embed.datasets import load_slide
from genesem_train.errors import ConfigError

SLIDE_KEY = "slide"
"""Column of the joined slide with the name of the slide that a spot is of."""
DOMAIN = "domain"
"""Column of a result with what was found."""
GIVEN_DOMAIN = "domain_given"
"""Where a column `domain` of the slide's own goes in a result."""
OWN_COORDS = "spatial_own"
"""Coordinates of the joined slide as each slide has them."""
GAP = 0.06
LEAST_SHARED = 0.5
"""Of the genes of the slide that has fewest; below it, it is said."""


@dataclass(frozen=True, kw_only=True)
class Slides:
    """What a fit is of."""

    joined: AnnData
    """The slide itself, or all spots of several over the genes that these have in common."""
    parts: Mapping[str, AnnData] = field(default_factory=lambda: MappingProxyType({}))
    """Every slide by name and its spots under their own names, where there are several."""
    datasets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """How the user named each of them."""


def load_slides(
    datasets: Sequence[str], *, counts_layer: str | None = None, gene_symbols: str | None = None, symbols: bool = True
) -> Slides:
    """Return the slides that the user named, joined where there are several.

    Parameters
    ----------
    symbols
        Whether genes must be named by symbols, as where vectors of their texts are read.

    Raises
    ------
    GenesemError
        When one cannot be used, or they have no gene in common.
    """
    loaded = [
        load_slide(name, counts_layer=counts_layer, gene_symbols=gene_symbols, symbols=symbols) for name in datasets
    ]
    if len(loaded) == 1:
        return Slides(joined=loaded[0])
    parts: dict[str, AnnData] = {}
    named: dict[str, str] = {}
    for dataset, slide in zip(datasets, loaded, strict=True):
        name = own = str(slide.uns["genesem"]["name"])
        number = 1
        while name in parts:
            number += 1
            name = f"{own}-{number}"
        parts[name], named[name] = slide, dataset
    return Slides(joined=join_slides(parts), parts=parts, datasets=named)


def join_slides(parts: Mapping[str, AnnData]) -> AnnData:
    """Return all spots over the common genes, in the order of the first slide, named ``slide/spot``.

    ``obsm["spatial"]`` sets the slides so far apart that a spot's nearest are of its own slide; ``spatial_own`` keeps
    the coordinates as they were.

    Raises
    ------
    ConfigError
        When they have no gene in common, or a column of the name that tells them apart.
    """
    first = next(iter(parts.values()))
    genes = first.var_names[np.logical_and.reduce([first.var_names.isin(part.var_names) for part in parts.values()])]
    if not len(genes):
        samples = "; ".join(f"{name}: {', '.join(part.var_names[:3])}, ..." for name, part in parts.items())
        msg = f"the slides have no gene in common ({samples}); take slides of one organism, with gene symbols"
        raise ConfigError(msg)
    least = min(part.n_vars for part in parts.values())
    if len(genes) < LEAST_SHARED * least:
        held = ", ".join(f"{name} {part.n_vars}" for name, part in parts.items())
        msg = f"the slides have {len(genes)} genes in common ({held}), and only these count: are they of one organism?"
        warnings.warn(msg, UserWarning, stacklevel=2)
    if taken := [name for name, part in parts.items() if SLIDE_KEY in part.obs]:
        msg = f"{', '.join(taken)} has a column obs[{SLIDE_KEY!r}], which a fit of several slides writes: rename it"
        raise ConfigError(msg)
    obs = [
        part.obs.assign(**{SLIDE_KEY: name}).set_axis([f"{name}/{spot}" for spot in part.obs_names])
        for name, part in parts.items()
    ]
    joined = AnnData(
        sparse.vstack([sparse.csr_matrix(part[:, genes].X) for part in parts.values()], format="csr"),
        obs=pd.concat(obs),
        var=first.var.loc[genes].copy(),
    )
    joined.obs[SLIDE_KEY] = pd.Categorical(joined.obs[SLIDE_KEY], categories=list(parts))
    own = [np.asarray(part.obsm["spatial"], dtype=np.float64)[:, :2] for part in parts.values()]
    joined.obsm[OWN_COORDS] = np.concatenate(own)
    joined.obsm["spatial"] = side_by_side(own, gap=2.0)
    joined.uns["genesem"] = {"name": "+".join(parts), "source": "slides joined for one fit"}
    return joined


def side_by_side(coords: Sequence[Float[np.ndarray, "spot 2"]], gap: float = GAP) -> Float[np.ndarray, "all_spot 2"]:
    """Return the coordinates of slides in a row, `gap` times the greatest extent apart."""
    extents = [np.ptp(one, axis=0) for one in coords]
    space = gap * max(max(float(np.hypot(*extent)) for extent in extents), 1e-9)
    placed, left = [], 0.0
    for one, extent in zip(coords, extents, strict=True):
        placed.append(one - one.min(axis=0) + [left, 0])
        left += extent[0] + space
    return np.concatenate(placed)


def rows_of(slide: AnnData) -> dict[str, Int[np.ndarray, " member"]]:
    """Return which spots are of which slide; nothing for a slide alone."""
    if OWN_COORDS not in slide.obsm:
        return {}
    column = slide.obs[SLIDE_KEY]
    return {str(name): np.flatnonzero(column == name) for name in column.cat.categories}
