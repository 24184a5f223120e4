"""NAME or path to slide: finds out what it is, reads it, and lets the checks judge it."""

import re
import unicodedata
import warnings
from pathlib import Path

import anndata as ad
import h5py
import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.checks import Kind, check_slide
from genesem_embed.datasets.fetch import fetch_dataset
from genesem_embed.datasets.registry import Dataset, LabelTable, find_dataset, is_registered
from genesem_embed.datasets.spatialdata import is_spatialdata, read_spatialdata
from genesem_embed.datasets.visium import find_visium, read_visium
from genesem_embed.errors import InputError
from genesem_embed.folders import data_dir as default_data_dir

_SUFFIXES = (".h5ad", ".h5", ".zarr", ".csv", ".tsv", ".gz", ".loom", ".rds")


def load_slide(
    dataset: str | Path,
    *,
    counts_layer: str | None = None,
    gene_symbols: str | None = None,
    kind: Kind = "counts",
    data_dir: Path | None = None,
) -> AnnData:
    """Return a checked slide: X, unique names, finite ``obsm["spatial"]``, and ``uns["genesem"]`` with its name.

    Parameters
    ----------
    dataset
        Registered name, or path of an ``.h5ad``, a Visium folder or a SpatialData ``.zarr``.
    counts_layer
        Layer that holds the raw counts, "raw" for ``.raw``; X unless given.
    gene_symbols
        Column of ``var`` that holds the gene symbols; the gene names unless given.
    kind
        "counts" for raw counts (CSR float32), "markers" for protein values (dense float32).
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
            slide = read_path(path)
    try:
        checked = check_slide(slide, kind=kind, counts_layer=counts_layer, symbols=gene_symbols)
    except InputError as error:
        msg = f"{name}: {error}"
        raise InputError(msg) from error
    checked.uns["genesem"] = {"name": name, "source": source}
    return checked


def read_path(path: Path) -> AnnData:
    """Return what `path` holds, unchecked: an ``.h5ad``, a Visium folder or a SpatialData store."""
    if path.is_dir():
        return _read_folder(path)
    return read_h5ad(path)


def read_h5ad(path: Path) -> AnnData:
    """Return the AnnData in the file `path`."""
    if not h5py.is_hdf5(path):
        msg = f"{path} is not an .h5ad: it is no HDF5 file ({path.stat().st_size} bytes), or it broke off; get it again"
        raise InputError(msg)
    try:
        with h5py.File(path) as opened:
            is_10x = "matrix" in opened
        if is_10x:
            msg = (
                f"{path} holds 10x counts without coordinates: give the Space Ranger folder that has spatial/ beside it"
            )
            raise InputError(msg)
        return ad.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"{path} cannot be read as .h5ad ({reason}): it is damaged or truncated; get it again"
        raise InputError(msg) from error


def _read_folder(folder: Path) -> AnnData:
    if is_spatialdata(folder):
        return read_spatialdata(folder)
    if place := find_visium(folder):
        return read_visium(place)
    bins = sorted(path.name for path in (folder / "binned_outputs").glob("square_*"))
    if bins:
        msg = f"{folder} holds Visium HD bins: give one of them, {folder / 'binned_outputs' / bins[-1]}"
        raise InputError(msg)
    msg = (
        f"{folder} is neither a Visium folder (filtered_feature_bc_matrix.h5 and spatial/) "
        "nor a SpatialData .zarr (tables/)"
    )
    raise InputError(msg)


def _read_registered(entry: Dataset, kind: Kind, folder: Path) -> AnnData:
    if entry.kind != kind:
        msg = (
            f"{entry.name} holds {entry.kind}, {kind} were asked for: "
            f"use --recipe {'cell-sentences' if entry.kind == 'markers' else 'spot-symbols'} with it"
        )
        raise InputError(msg)
    if entry.reader == "demo":
        from genesem_embed.datasets.demo import make_demo

        return make_demo()
    place = fetch_dataset(entry, folder=folder)
    slide = read_visium(place) if entry.reader == "visium" else read_h5ad(place / entry.files[0].filename)
    if entry.labels is not None and entry.label_key is not None and (place / entry.labels.file).exists():
        slide.obs[entry.label_key] = _read_labels(place / entry.labels.file, entry.labels).reindex(slide.obs_names)
    return slide


def _read_labels(path: Path, table: LabelTable) -> "pd.Series[str]":
    """Return the annotation in a tab-separated table by spot id; the id is the first column unless it is named."""
    rows = pd.read_csv(
        path, sep="\t", dtype=str, header=None if table.columns else "infer", names=table.columns or None
    )
    if table.only is not None:
        rows = rows[rows[table.only[0]] == table.only[1]]
    missing = {table.id, table.label} - {"", *rows}
    if missing:
        msg = f"{path} has no column {', '.join(sorted(missing))}; it has: {', '.join(map(str, rows))}"
        raise InputError(msg)
    ids = rows[table.id] if table.id else rows.iloc[:, 0]
    return pd.Series(rows[table.label].to_numpy(), index=ids.to_numpy()).groupby(level=0).first()


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
    whole = path.resolve()
    if whole.name == "outs":
        whole = whole.parent
    plain = unicodedata.normalize("NFKD", whole.stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.") or "slide"
