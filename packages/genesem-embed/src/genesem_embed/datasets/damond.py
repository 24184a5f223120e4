"""The Mendeley files of Damond et al. 2019 joined to one AnnData: cell, image, donor, cell type and marker.

The joins follow the preparation script of Bioconductor's imcdatasets: cell types are keyed by core name and cell
number, donors by slide, and the channels of a stack are in the order of ``ChannelMass.csv``.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.markers import cell_slide, require_columns
from genesem_embed.errors import InputError

_CHANNEL = re.compile(r"Intensity_MeanIntensity_CleanStack.*_c(\d+)")
_CELL = ["ImageNumber", "ObjectNumber", "Location_Center_X", "Location_Center_Y"]
_CHUNK = 100_000


def read_damond(folder: Path) -> AnnData:
    """Return every cell in `folder`: X mean intensities, obs cell_type, image, patient, status, core, and islet.

    ``status`` is the donor's stage. A cell without a type keeps its row and has no label.

    Raises
    ------
    InputError
        Where a file or column is missing, or a cell, image or channel has no partner in the other files.
    """
    panel = _read_panel(folder)
    cells, values = _read_cells(folder / "All_Cells.csv", len(panel))
    images = _read(folder / "All_Image.csv", ["ImageNumber", "Metadata_Core", "Metadata_Slide"])
    donors = _read(folder / "Donors.csv", ["slide", "case", "stage"])
    obs = _join(cells, images.set_index("ImageNumber"), "image_number", folder / "All_Image.csv")
    obs = _join(obs, donors.drop_duplicates("slide").set_index("slide"), "Metadata_Slide", folder / "Donors.csv")
    types = _read(folder / "CellTypes.csv", ["id", "CellType"]).drop_duplicates("id").set_index("id")["CellType"]
    obs.index = pd.Index(obs["Metadata_Core"].astype(str) + "_" + obs["cell_number"].astype(str))
    table = pd.DataFrame({"cell_type": types.reindex(obs.index), "image": obs["Metadata_Core"].astype(str)})
    table["patient"], table["status"] = obs["case"].astype(str), obs["stage"].astype(str)
    if "Parent_Islets" in obs:
        table["islet"] = obs["Parent_Islets"]
    coordinates = obs[["x", "y"]].to_numpy(dtype=np.float64)
    slide = cell_slide(values, panel["clean_Target"].tolist(), table, coordinates)
    slide.var["full_name"], slide.var["metal"] = panel["Target"].to_numpy(), panel["MetalTag"].to_numpy()
    return slide


def _read(path: Path, needed: list[str], nrows: int | None = None) -> pd.DataFrame:
    """Return the table at `path`, or its first rows, having checked that it has the columns `needed`."""
    try:
        table = pd.read_csv(path, nrows=nrows, header="infer" if needed else None, low_memory=False)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as CSV ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    if problem := require_columns(table.columns, needed):
        msg = f"{path} {problem}"
        raise InputError(msg)
    return table


def _read_panel(folder: Path) -> pd.DataFrame:
    """Return the markers that were measured, in the order of the channels."""
    panel = _read(folder / "panel.csv", ["MetalTag", "Target", "clean_Target", "full"])
    panel = panel[panel["full"] == 1]
    masses = _read(folder / "ChannelMass.csv", [])[0].astype(str).tolist()
    missing = sorted(set(panel["MetalTag"]) - set(masses))
    if missing:
        msg = f"{folder / 'ChannelMass.csv'} names no channel for {', '.join(missing)} of panel.csv"
        raise InputError(msg)
    return panel.iloc[np.argsort(panel["MetalTag"].map(masses.index), kind="stable")]


def _read_cells(path: Path, n_markers: int) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return numbers and positions of the cells, and their mean intensities; read in pieces, for it is a large file."""
    header = [str(name) for name in _read(path, _CELL, nrows=0)]
    channels = _channels(header)
    if len(channels) != n_markers:
        msg = f"{path} has {len(channels)} columns of mean intensity, panel.csv names {n_markers} markers"
        raise InputError(msg)
    extra = [name for name in ("Parent_Islets",) if name in header]
    kinds = dict.fromkeys(channels, np.float32) | dict.fromkeys(_CELL[2:], np.float64)
    parts, values = [], []
    try:
        for part in pd.read_csv(path, usecols=[*_CELL, *extra, *channels], dtype=kinds, chunksize=_CHUNK):
            values.append(part[channels].to_numpy())
            parts.append(part[[*_CELL, *extra]])
    except (OSError, ValueError, TypeError) as error:
        msg = f"{path} holds text where numbers are expected, or is damaged ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    if not sum(map(len, parts)):
        msg = f"{path} holds no cell"
        raise InputError(msg)
    cells = pd.concat(parts, ignore_index=True)
    return cells.set_axis(["image_number", "cell_number", "x", "y", *extra], axis=1), np.concatenate(values)


def _channels(header: list[str]) -> list[str]:
    """Return the columns of mean intensity by channel number; c10 comes after c9, not after c1."""
    numbered = {int(found[1]): name for name in header if (found := _CHANNEL.fullmatch(name))}
    return [numbered[number] for number in sorted(numbered)]


def _join(rows: pd.DataFrame, table: pd.DataFrame, key: str, source: Path) -> pd.DataFrame:
    missing = rows.loc[~rows[key].isin(table.index), key].unique()
    if len(missing):
        msg = f"{source} has no row for {len(missing)} {key} of the cells (first: {missing[0]})"
        raise InputError(msg)
    return rows.join(table, on=key)
