"""What a full disk may not do to a result: end the process, or end in a page of text."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import h5py
from anndata.io import write_elem

from genesem_train.errors import OutputError

REFUSALS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your quota is used up: free some space",
    errno.EFBIG: "a file would exceed the size limit: raise it",
}


@contextmanager
def one_line_refusals(out: Path) -> Iterator[None]:
    """Turn what a disk can refuse while `out` is written into one line.

    Raises
    ------
    OutputError
        In place of the error of the operating system.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        msg = (
            f"cannot write {out}: {REFUSALS[error.errno]}, and run again (a fit with --resume goes on from its last "
            "checkpoint); nothing half-written was left, and a result from before is as it was"
        )
        raise OutputError(msg) from error


def write_h5ad(table: ad.AnnData, path: Path) -> None:
    """Write `table` as compressed .h5ad; its columns of strings become categories, as anndata's own writer makes them.

    The file is made in memory and written in one go: HDF5 ends the whole process where a disk fills up under it.
    """
    table.strings_to_categoricals()
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        write_elem(file, "/", table, dataset_kwargs={"compression": "gzip"})
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)
