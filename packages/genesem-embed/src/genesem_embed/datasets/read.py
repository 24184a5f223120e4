"""NAME or path to slide: finds out what it is, reads it, and lets the checks judge it."""

import os
import re
import unicodedata
import warnings
from pathlib import Path

import anndata as ad
from anndata import AnnData

from genesem_embed.datasets.cell_columns import CellColumns
from genesem_embed.datasets.cell_table import read_cell_table
from genesem_embed.datasets.checks import Kind, check_slide
from genesem_embed.datasets.h5ad import read_h5ad
from genesem_embed.datasets.registered import read_registered
from genesem_embed.datasets.registry import Dataset, find_dataset, is_registered
from genesem_embed.datasets.spatialdata import is_spatialdata, read_spatialdata
from genesem_embed.datasets.visium import find_visium, read_visium
from genesem_embed.datasets.xenium import MATRIX, find_xenium, read_xenium
from genesem_embed.errors import InputError
from genesem_embed.folders import data_dir as default_data_dir

_HD_BINS = ("square_*um", "binned_outputs/square_*um", "outs/binned_outputs/square_*um")
_TABLES = (".csv", ".tsv", ".txt")
_SUFFIXES = (*_TABLES, ".h5ad", ".h5", ".zarr", ".gz", ".loom", ".rds")


def load_slide(
    dataset: str | Path,
    *,
    counts_layer: str | None = None,
    gene_symbols: str | None = None,
    symbols: bool = True,
    kind: Kind = "counts",
    columns: CellColumns | None = None,
    data_dir: Path | None = None,
) -> AnnData:
    """Return a checked slide: X, unique names, finite ``obsm["spatial"]``, and ``uns["genesem"]`` with its name.

    Parameters
    ----------
    dataset
        Registered name, or path of an ``.h5ad``, a Visium or Xenium folder, a SpatialData ``.zarr`` or a CSV of cells.
    counts_layer
        Layer that holds the raw counts, "raw" for ``.raw``; X unless given.
    gene_symbols
        Column of ``var`` that holds the gene symbols; the gene names unless given.
    symbols
        Whether genes named by Ensembl ids are refused: texts need symbols.
    kind
        "counts" for raw counts (CSR float32), "markers" for protein values (dense float32).
    columns
        Which column is what, where the slide is a CSV of cells; guessed unless given.
    data_dir
        Where downloads live; the user's usual place unless given.

    Raises
    ------
    InputError, UnknownNameError, DownloadError
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*names are not unique")  # told once, by the checks
        warnings.filterwarnings("ignore", category=ad.OldFormatWarning)
        if isinstance(dataset, str) and is_registered(dataset):
            entry = find_dataset(dataset)
            name, source = entry.name, entry.source
            slide = _read_registered(entry, kind, data_dir or default_data_dir())
            counts_layer = counts_layer or entry.counts_layer
        else:
            path = _existing(dataset)
            name, source = _name_of(path), str(path)
            slide = read_path(path, columns)
    try:
        checked = check_slide(slide, kind=kind, counts_layer=counts_layer, symbols=gene_symbols, ids=not symbols)
    except InputError as error:
        msg = f"{name}: {error}"
        raise InputError(msg) from error
    checked.uns["genesem"] = {"name": name, "source": source}
    return checked


def read_path(path: Path, columns: CellColumns | None = None) -> AnnData:
    """Return what `path` holds, unchecked: an ``.h5ad``, a folder of Visium or Xenium, SpatialData or a table."""
    if path.is_dir():
        return _read_folder(path)
    if set(path.suffixes) & set(_TABLES):
        return read_cell_table(path, columns)
    return read_h5ad(path)


def _read_folder(folder: Path) -> AnnData:
    if is_spatialdata(folder):
        return read_spatialdata(folder)
    if place := find_visium(folder):
        return read_visium(place)
    if place := find_xenium(folder):
        return read_xenium(place)
    bins = sorted(found for where in _HD_BINS for found in folder.glob(where))
    if bins:
        msg = f"{folder} holds Visium HD bins: give one of them, such as {bins[-1]}"
        raise InputError(msg)
    msg = (
        f"{folder} is neither a Visium folder (filtered_feature_bc_matrix.h5 and spatial/), nor a Xenium one "
        f"({MATRIX} and cells.parquet), nor a SpatialData .zarr (tables/): give one of these, or an .h5ad with counts "
        "in X and obsm['spatial']"
    )
    raise InputError(msg)


def _read_registered(entry: Dataset, kind: Kind, folder: Path) -> AnnData:
    if entry.kind != kind:
        msg = (
            f"{entry.name} holds {entry.kind}, {kind} were asked for: "
            f"use --recipe {'cell-sentences' if entry.kind == 'markers' else 'spot-symbols'} with it"
        )
        raise InputError(msg)
    return read_registered(entry, folder=folder)


def _existing(dataset: str | Path) -> Path:
    """Return the path that `dataset` names; what neither exists nor looks like a path was meant as a name."""
    path = Path(dataset).expanduser()
    if path.exists():
        return path
    text = str(dataset)
    if isinstance(dataset, Path) or "/" in text or "\\" in text or path.suffix.lower() in _SUFFIXES:
        msg = f"there is no file or folder {path} (looked from {Path.cwd()})"
        raise InputError(msg)
    find_dataset(text)
    raise AssertionError(text)


def _name_of(path: Path) -> str:
    """Return a short name for the slide at `path` that is safe in file names anywhere."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  a link keeps the name the user gave it
    if whole.parent.name == "binned_outputs":  # of Visium HD: the sample's name beside that of the bins
        sample = whole.parent.parent
        whole = whole.with_name(f"{(sample.parent if sample.name == 'outs' else sample).name}-{whole.name}")
    if whole.name == "outs":
        whole = whole.parent
    plain = unicodedata.normalize("NFKD", whole.stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "slide"
