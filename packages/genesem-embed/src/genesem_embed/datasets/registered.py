"""A registered data set as AnnData, unchecked: fetched, read by the reader its entry names, its annotation joined."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Literal

import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.fetch import fetch_dataset
from genesem_embed.datasets.h5ad import read_h5ad
from genesem_embed.datasets.registry import Dataset, LabelTable
from genesem_embed.datasets.visium import read_visium
from genesem_embed.errors import InputError


def read_registered(entry: Dataset, *, folder: Path) -> AnnData:
    """Return the slide of `entry`, from its place in `folder`; what is missing there is downloaded.

    Parameters
    ----------
    folder
        Where data sets live.
    """
    if entry.reader == "demo":
        slide: AnnData = _load("demo", "make_demo")()
        return slide
    place = fetch_dataset(entry, folder=folder)
    slide = _READERS[entry.reader](entry, place)
    if entry.labels is not None and entry.label_key is not None:
        _join_labels(slide, entry.label_key, place / entry.labels.file, entry.labels)
    return slide


def _join_labels(slide: AnnData, key: str, path: Path, table: LabelTable) -> None:
    """Put the annotation at `path` into ``obs[key]``; where the user has not put it there yet, say where it belongs."""
    if path.exists():
        slide.obs[key] = _read_labels(path, table).reindex(slide.obs_names)
        return
    msg = f"there is no annotation: put a tab-separated table with {table.id} and {table.label} at {path} to have one"
    warnings.warn(msg, UserWarning, stacklevel=3)


def _load(module: str, name: str) -> Callable[..., AnnData]:
    found: Callable[..., AnnData] = getattr(import_module(f"genesem_embed.datasets.{module}"), name)
    return found


_READERS: dict[str, Callable[[Dataset, Path], AnnData]] = {
    "h5ad": lambda entry, place: read_h5ad(place / entry.files[0].filename),
    "visium": lambda entry, place: read_visium(place),
    "damond": lambda entry, place: _load("damond", "read_damond")(place),
    "karimi": lambda entry, place: _load("karimi", "read_karimi")(place),
}


def _read_labels(path: Path, table: LabelTable) -> "pd.Series[str]":
    """Return the annotation in a tab-separated table by spot id."""
    header: Literal["infer"] | None = None if table.columns else "infer"
    try:
        rows = pd.read_csv(path, sep="\t", dtype=str, header=header, names=table.columns or None)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as a tab-separated table ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    if table.only is not None:
        rows = rows[rows[table.only[0]] == table.only[1]]
    missing = {table.id, table.label} - {*rows}
    if missing:
        msg = f"{path} has no column {', '.join(sorted(missing))}; it has: {', '.join(map(str, rows))}"
        raise InputError(msg)
    return rows.drop_duplicates(table.id).set_index(table.id)[table.label]
