"""A Xenium output folder as AnnData: counts of genes by cell, and the centre of every cell in micrometres."""

from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

from genesem_embed.datasets.tenx import first_line, places_of
from genesem_embed.errors import InputError

MATRIX = "cell_feature_matrix.h5"
_CELLS = ("cells.parquet", "cells.csv.gz", "cells.csv")
_CENTRE = ["x_centroid", "y_centroid"]


def find_xenium(folder: Path) -> Path | None:
    """Return the folder that holds the Xenium output, `folder` or its ``outs``; None where there is none."""
    return next((place for place in (folder, folder / "outs") if (place / MATRIX).is_file()), None)


def read_xenium(folder: Path) -> AnnData:
    """Return the cells of the Xenium output in `folder`; features are those of the file, controls included.

    Raises
    ------
    InputError
        Where a file is missing or unreadable, or cells of the counts have no place.
    """
    try:
        slide = sc.read_10x_h5(folder / MATRIX, gex_only=False)
    except Exception as error:  # every layer below has its own errors for a broken file
        msg = f"{folder / MATRIX} cannot be read as 10x counts ({first_line(error)}): download it again"
        raise InputError(msg) from error
    path = next((folder / name for name in _CELLS if (folder / name).exists()), None)
    if path is None:
        msg = f"{folder} holds {MATRIX} but none of {', '.join(_CELLS)}: copy it from the Xenium output"
        raise InputError(msg)
    slide.obsm["spatial"] = places_of(slide, _read_cells(path), folder=folder, path=path).to_numpy(dtype=np.float64)
    return slide


def _read_cells(path: Path) -> pd.DataFrame:
    """Return the centres by cell."""
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        names = table["cell_id"].map(lambda name: name.decode() if isinstance(name, bytes) else str(name))
        return table[_CENTRE].set_axis(names)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path} is not a table of cells ({first_line(error)}); expected cell_id, {', '.join(_CENTRE)}"
        raise InputError(msg) from error
