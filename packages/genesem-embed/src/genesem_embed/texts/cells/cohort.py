"""A slide of cells as the recipe sees it: chosen markers, scaled values, images, and the fold where there is one."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets.fingerprint import labels
from genesem_embed.datasets.markers import short_names
from genesem_embed.datasets.splits import assign_folds, split_digest, split_groups
from genesem_embed.errors import InputError
from genesem_embed.texts.cells.context import Cells
from genesem_embed.texts.cells.detection import detected_markers
from genesem_embed.texts.cells.options import CellOptions
from genesem_embed.texts.cells.panel import choose_markers
from genesem_embed.texts.cells.scaling import Fitted, resolve_scaling, scale, scale_within

_SPLIT_FIELDS = ("split_by", "split_key", "status_key", "folds", "fold")


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """The cells of a slide, ready to be written."""

    cells: Cells
    markers: list[str]
    shown: npt.NDArray[np.bool_]
    """Markers that a cell's sentences may name; a cell may show none."""
    stamp: dict[str, Any]
    """The options that decide texts, with what `auto` turned out to be, the markers and the split."""


def read_cohort(slide: AnnData, options: CellOptions) -> Cohort:
    """Return the cells of `slide`.

    Raises
    ------
    InputError
        Markers are unknown, every cell is empty, or scaling needs a fold and none is named.
    """
    panel = short_names(slide.var_names)
    chosen = choose_markers(panel, options.exclude_markers)
    values = _dense(slide)[:, chosen]
    if not (values != 0).any():
        msg = f"all {slide.n_obs} cells have zeros in all {len(chosen)} markers; check the matrix (--counts-layer)"
        raise InputError(msg)
    scaling = resolve_scaling(values, options.scaling)
    names, image = _images(slide, options.image_key)
    fold, split = _split(slide, options, scaling)
    training = None if fold is None else fold != options.fold
    if options.scaling_scope == "image":
        scaled = scale_within(values, scaling, image, training)
    else:
        scaled = scale(values, scaling, None if options.scaling_scope == "cohort" else training)
    shown = detected_markers(values, image, training)
    if options.undetected == "keep":
        shown |= (values != 0).any(axis=1, keepdims=True)
    coords = np.asarray(slide.obsm["spatial"], dtype=np.float64)
    markers = [panel[position] for position in chosen]
    deciding = {key: value for key, value in asdict(options).items() if key not in _SPLIT_FIELDS}
    return Cohort(
        cells=Cells(values=scaled, coords=coords, image=image, image_names=names, training=training),
        markers=markers,
        shown=shown,
        stamp=json.loads(json.dumps({"cells": {**deciding, "scaling": scaling}, "markers": markers, "split": split})),
    )


def has_folds(slide: AnnData, options: CellOptions) -> bool:
    """Tell whether the texts depend on which cells are trained on, so that each fold has its own.

    They do where scaling is fitted on training cells, and where the split is by cell: there, the neighbours of a cell
    are divided.
    """
    chosen = choose_markers(short_names(slide.var_names), options.exclude_markers)
    return _depends_on_fold(resolve_scaling(_dense(slide)[:, chosen], options.scaling), options)


def _depends_on_fold(scaling: Fitted, options: CellOptions) -> bool:
    if options.scaling_scope == "cohort":
        return False
    return options.split_by == "cell" or (options.scaling_scope == "training" and scaling != "raw")


def _dense(slide: AnnData) -> npt.NDArray[np.float32]:
    matrix = slide.X.toarray() if sparse.issparse(slide.X) else slide.X
    return np.asarray(matrix, dtype=np.float32)


def _images(slide: AnnData, key: str) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Return image names and the number of each cell's; without a column `image` the slide is one image."""
    if key == "image" and key not in slide.obs:
        return ["image"], np.zeros(slide.n_obs, dtype=np.intp)
    names, image = np.unique(split_groups(slide, "image", key).astype(str), return_inverse=True)
    return [str(name) for name in names], image


def _split(
    slide: AnnData, options: CellOptions, scaling: Fitted
) -> tuple[npt.NDArray[np.int64] | None, dict[str, Any] | None]:
    """Return the fold of each cell and its stamp; nothing where no text depends on the fold and none is named."""
    if options.fold is None and not _depends_on_fold(scaling, options):
        return None, None
    if options.fold is None or not 0 <= options.fold < options.folds:
        why = "neighbours are drawn among" if options.split_by == "cell" else f"scaling {scaling} is fitted on"
        msg = (
            f"{why} the training cells of a fold, and the fold is {options.fold}; expected 0 to "
            f"{options.folds - 1}: name one (--cells fold=0), or scale within images (--cells scaling_scope=image)"
        )
        raise InputError(msg)
    groups = split_groups(slide, options.split_by, options.split_key)
    status = None if options.status_key is None else labels(slide, options.status_key)
    fold = assign_folds(groups, n_folds=options.folds, seed=options.seed, strata=status)
    stamp = {
        "by": options.split_by,
        "key": options.split_key or options.split_by,
        "status_key": options.status_key,
        "n_folds": options.folds,
        "seed": options.seed,
        "fold": options.fold,
        "sha256": split_digest(fold),
    }
    return fold, stamp
