"""An ``.h5ad`` as AnnData, unchecked; one clear line for every way a file can be something else."""

from pathlib import Path

import anndata as ad
import h5py
from anndata import AnnData

from genesem_embed.errors import InputError


def read_h5ad(path: Path) -> AnnData:
    """Return the AnnData in the file `path`.

    Raises
    ------
    InputError
        Where the file is no HDF5, broke off, or holds something else.
    """
    path.open("rb").close()  # what may not be read says so itself
    if path.suffix.lower() in (".rds", ".loom"):
        msg = f"{path} is {path.suffix}, which is not read: write it as .h5ad, with counts in X and obsm['spatial']"
        raise InputError(msg)
    if not h5py.is_hdf5(path):
        msg = f"{path} is not an .h5ad: it is no HDF5 file ({path.stat().st_size} bytes), or it broke off; get it again"
        raise InputError(msg)
    try:
        with h5py.File(path) as opened:
            is_10x = "matrix" in opened
        if is_10x:
            msg = (
                f"{path} holds 10x counts without coordinates: give the folder that has spatial/ (Visium) or "
                "cells.parquet (Xenium) beside it"
            )
            raise InputError(msg)
        return ad.read_h5ad(path)
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        msg = f"{path} cannot be read as .h5ad ({reason}): it is damaged or truncated; get it again"
        raise InputError(msg) from error
