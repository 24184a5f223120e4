"""A Xenium output folder as AnnData: counts of genes by cell, and the centre of every cell in micrometres."""

from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData

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
        msg = f"{folder / MATRIX} cannot be read as 10x counts ({error}): download it again"
        raise InputError(msg) from error
    cells = _read_cells(folder)
    missing = ~slide.obs_names.isin(cells.index)
    if missing.any():
        msg = (
            f"{folder}: {missing.sum()} of {slide.n_obs} cells of the counts have no place in the table of cells "
            f"(first: {slide.obs_names[missing][0]}); expected both files of one run"
        )
        raise InputError(msg)
    slide.obsm["spatial"] = cells.loc[slide.obs_names, _CENTRE].to_numpy(dtype=np.float64)
    return slide


def _read_cells(folder: Path) -> pd.DataFrame:
    """Return the centres by cell."""
    path = next((folder / name for name in _CELLS if (folder / name).exists()), None)
    if path is None:
        msg = f"{folder} holds {MATRIX} but none of {', '.join(_CELLS)}: copy it from the Xenium output"
        raise InputError(msg)
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        names = table["cell_id"].map(lambda name: name.decode() if isinstance(name, bytes) else str(name))
        table = table[_CENTRE].set_axis(names)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{path} is not a table of cells ({error}); expected the columns cell_id, {', '.join(_CENTRE)}"
        raise InputError(msg) from error
    if table.index.has_duplicates:
        msg = f"{path} names the cell {table.index[table.index.duplicated()][0]} more than once; expected once"
        raise InputError(msg)
    return table
