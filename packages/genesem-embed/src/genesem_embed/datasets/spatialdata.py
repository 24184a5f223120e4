"""The one table of a SpatialData ``.zarr`` as AnnData, its coordinates from the table or from the shapes it annotates.

Read with anndata and shapely alone; the spatialdata package and its images are not needed.
"""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from anndata import AnnData

from genesem_embed.errors import InputError


def is_spatialdata(folder: Path) -> bool:
    """Return whether `folder` is a SpatialData store."""
    return _tables_folder(folder) is not None


def read_spatialdata(folder: Path) -> AnnData:
    """Return the only table in the SpatialData store `folder`, with ``obsm["spatial"]`` filled from its shapes.

    Raises
    ------
    InputError
        Where there is no table or more than one, or no coordinates can be found for it.
    """
    place = _tables_folder(folder)
    names = sorted(path.name for path in place.iterdir() if _is_group(path)) if place else []
    if place is None or len(names) != 1:
        found = f"{len(names)} tables ({', '.join(names)})" if names else "no table"
        msg = f"{folder} holds {found}, one is expected: write the table of one slide to an .h5ad and give that"
        raise InputError(msg)
    try:
        table = ad.read_zarr(place / names[0])
    except Exception as error:  # zarr, numcodecs and anndata each have their own errors for this
        msg = f"{place / names[0]} cannot be read ({str(error).splitlines()[0]}): it is damaged or not a table"
        raise InputError(msg) from error
    if "spatial" not in table.obsm:
        table.obsm["spatial"] = _centroids(folder, table)
    return table


def _tables_folder(folder: Path) -> Path | None:
    """Return the folder of tables; SpatialData before 0.1 called it ``table``."""
    return next((folder / name for name in ("tables", "table") if _is_group(folder / name)), None)


def _is_group(path: Path) -> bool:
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def _centroids(folder: Path, table: AnnData) -> npt.NDArray[np.float64]:
    """Return the centre of the shape that every row of `table` annotates."""
    region, instances = _region(folder, table)
    path = folder / "shapes" / region / "shapes.parquet"
    if not path.exists():
        msg = (
            f"{folder}: the table has no obsm['spatial'] and its region {region!r} has no shapes at {path}; "
            "put the coordinates into obsm['spatial']"
        )
        raise InputError(msg)
    shapes = pd.read_parquet(path)["geometry"]
    missing = ~instances.isin(shapes.index)
    if missing.any():
        msg = f"{folder}: {missing.sum()} of {table.n_obs} rows of the table name no shape in {region!r}"
        raise InputError(msg)
    centres = shapely.centroid(shapely.from_wkb(shapes.loc[instances].to_numpy()))
    return np.column_stack([shapely.get_x(centres), shapely.get_y(centres)])


def _region(folder: Path, table: AnnData) -> tuple[str, "pd.Series[Any]"]:
    """Return the one region that `table` annotates and the id of the shape in it for every row."""
    attrs = table.uns.get("spatialdata_attrs", {})
    regions = np.atleast_1d(attrs.get("region", [])).tolist()
    key = attrs.get("instance_key")
    if len(regions) != 1 or key not in table.obs:
        msg = (
            f"{folder}: the table has no obsm['spatial'] and annotates {len(regions)} regions {regions}; expected one, "
            "with its instance key in obs: put the coordinates into obsm['spatial']"
        )
        raise InputError(msg)
    return str(regions[0]), table.obs[key]
