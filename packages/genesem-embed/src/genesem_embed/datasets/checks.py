"""The border of genesem: an AnnData from anywhere goes in, a slide that everything inside may trust comes out."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.counts import as_counts, as_markers, choose_matrix
from genesem_embed.datasets.genes import gene_symbols, refuse_ids, unique_names
from genesem_embed.datasets.screening import drop_controls, drop_outside_tissue, tell_empty, tell_sections
from genesem_embed.errors import InputError

Kind = Literal["counts", "markers"]


def check_slide(
    slide: AnnData,
    *,
    kind: Kind = "counts",
    counts_layer: str | None = None,
    symbols: str | None = None,
    ids: bool = False,
) -> AnnData:
    """Return a new slide that holds the checked matrix, unique names and finite coordinates; order is kept.

    Parameters
    ----------
    kind
        "counts" demands raw counts (X becomes CSR float32), "markers" finite values (X becomes dense float32).
    counts_layer
        Layer that holds the matrix, "raw" for ``.raw``.
    symbols
        Column of ``var`` that holds the gene symbols.
    ids
        Whether genes may be named by Ensembl ids.

    Raises
    ------
    InputError
        One line that says what is wrong and how to go on.
    """
    _refuse_empty(slide)
    slide = choose_matrix(slide, counts_layer)
    if kind == "counts":
        slide = drop_controls(drop_outside_tissue(slide))
    coordinates = _coordinates(slide)
    values = as_counts(slide) if kind == "counts" else as_markers(slide)
    obs, var = slide.obs.copy(), slide.var.copy()
    if symbols is not None:
        var.index = gene_symbols(var, symbols)
    if kind == "counts" and not ids:
        refuse_ids(var)
    if kind == "counts":
        tell_empty(values)
        tell_sections(obs, coordinates)
    obs.index, var.index = unique_names(obs.index, "spot ids"), unique_names(var.index, "gene names")
    obsm = {
        key: value.set_axis(obs.index) if isinstance(value, pd.DataFrame) else value
        for key, value in slide.obsm.items()
    }
    return AnnData(values, obs=obs, var=var, obsm=obsm | {"spatial": coordinates}, uns=dict(slide.uns))


def _refuse_empty(slide: AnnData) -> None:
    if 0 in slide.shape:
        msg = f"the slide is empty: it has {slide.n_obs} spots and {slide.n_vars} genes"
        raise InputError(msg)


def _coordinates(slide: AnnData) -> npt.NDArray[np.float64]:
    """Return ``obsm["spatial"]`` as float64, (spot, 2) and finite."""
    if "spatial" not in slide.obsm:
        msg = (
            "the slide has no obsm['spatial'] with the x and y of every spot; "
            f"obsm has: {', '.join(slide.obsm) or 'nothing'}; obs has: {', '.join(map(str, slide.obs)) or 'nothing'}: "
            "set it, such as slide.obsm['spatial'] = slide.obs[['x', 'y']].to_numpy()"
        )
        raise InputError(msg)
    found = slide.obsm["spatial"]
    raw = found.to_numpy() if isinstance(found, pd.DataFrame) else np.asarray(found)
    if raw.ndim != 2 or raw.shape[1] != 2:
        cut = (
            ": keep the two of the slide's plane, obsm['spatial'][:, :2]" if raw.ndim == 2 and raw.shape[1] > 2 else ""
        )
        msg = f"obsm['spatial'] has shape {raw.shape}, ({slide.n_obs}, 2) is expected{cut}"
        raise InputError(msg)
    try:
        coordinates = raw.astype(np.float64)
    except (TypeError, ValueError) as error:
        msg = f"obsm['spatial'] holds {raw.dtype} values that are not numbers ({error})"
        raise InputError(msg) from error
    missing = int((~np.isfinite(coordinates)).any(axis=1).sum())
    if missing:
        msg = f"{missing} of {slide.n_obs} spots have NaN or missing coordinates: leave them out of the slide first"
        raise InputError(msg)
    if slide.n_obs > 1 and (coordinates == coordinates[0]).all():
        where = coordinates[0].tolist()
        msg = f"all {slide.n_obs} spots have the same coordinates {where}: obsm['spatial'] is not filled"
        raise InputError(msg)
    return coordinates
