"""A 10x Visium folder (Space Ranger output) as AnnData: counts, array positions, pixel coordinates, in-tissue spots.

Read directly, because scanpy's reader is deprecated and wants images that nobody here looks at.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

from genesem_embed.datasets.tenx import first_line, places_of
from genesem_embed.errors import InputError

_COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
_POSITIONS = ("tissue_positions.parquet", "tissue_positions.csv", "tissue_positions_list.csv")


def find_visium(folder: Path) -> Path | None:
    """Return the folder that holds the Space Ranger output, `folder` or its ``outs``; None where there is none."""
    for place in (folder, folder / "outs"):
        if (place / "spatial").is_dir() and _matrices(place):
            return place
    return None


def read_visium(folder: Path) -> AnnData:
    """Return the in-tissue spots of the Space Ranger output in `folder`, x and y being full-resolution pixels.

    Raises
    ------
    InputError
        Where a file is missing or unreadable, or barcodes of the counts have no position.
    """
    slide = _read_counts(folder)
    path = _positions_file(folder / "spatial")
    positions = places_of(slide, _read_positions(path), folder=folder, path=path)
    slide.obs[["array_row", "array_col"]] = positions[["array_row", "array_col"]].astype(int)
    slide.obsm["spatial"] = positions[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(dtype=np.float64)
    inside = (positions["in_tissue"] == 1).to_numpy()
    if not inside.any():
        msg = f"{folder}: no spot is in tissue (in_tissue is 1 for none of {slide.n_obs}); expected some"
        raise InputError(msg)
    return slide[inside].copy()


def _matrices(folder: Path) -> list[Path]:
    """Return the filtered counts in `folder`: HDF5 files, else the folder of text files."""
    found = sorted(folder.glob("*filtered_feature_bc_matrix.h5"))
    return found or [path for path in [folder / "filtered_feature_bc_matrix"] if path.is_dir()]


def _read_counts(folder: Path) -> AnnData:
    found = _matrices(folder)
    if len(found) > 1:
        msg = f"{folder} holds {len(found)} filtered_feature_bc_matrix.h5 files: keep the one of this slide"
        raise InputError(msg)
    try:
        if found[0].is_dir():
            return sc.read_10x_mtx(found[0], make_unique=False)
        return sc.read_10x_h5(found[0])
    except Exception as error:  # every layer below has its own errors for a broken file
        msg = f"{found[0]} cannot be read as 10x counts ({first_line(error)}): download it again"
        raise InputError(msg) from error


def _positions_file(folder: Path) -> Path:
    path = next((folder / name for name in _POSITIONS if (folder / name).exists()), None)
    if path is None:
        msg = f"{folder} holds none of {', '.join(_POSITIONS)}: copy it from the Space Ranger output"
        raise InputError(msg)
    return path


def _read_positions(path: Path) -> pd.DataFrame:
    """Return the tissue positions by barcode, whichever of Space Ranger's three forms they have."""
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
        return table[_COLUMNS].set_index("barcode")
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path} is not a table of tissue positions ({first_line(error)}); expected the columns {_COLUMNS}"
        raise InputError(msg) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """Return the table, with or without a header, quoted or not, by commas or semicolons."""
    with path.open(encoding="utf-8-sig") as opened:
        first = opened.readline()
    header = 0 if first.lstrip('"').startswith("barcode") else None
    names = _COLUMNS if header is None else None
    separator = ";" if ";" in first and "," not in first else ","
    return pd.read_csv(path, names=names, header=header, sep=separator, encoding="utf-8-sig")
