"""What the readers of 10x folders share: counts on one side, a table of places by name on the other."""

from pathlib import Path

import pandas as pd
from anndata import AnnData

from genesem_embed.errors import InputError


def places_of(slide: AnnData, table: pd.DataFrame, *, folder: Path, path: Path) -> pd.DataFrame:
    """Return the rows of `table` that belong to the spots or cells of `slide`, in their order.

    Raises
    ------
    InputError
        When the table at `path` names one twice, or lacks one.
    """
    if table.index.has_duplicates:
        msg = f"{path} names {table.index[table.index.duplicated()][0]} more than once; expected once"
        raise InputError(msg)
    missing = ~slide.obs_names.isin(table.index)
    if missing.any():
        msg = (
            f"{folder}: {missing.sum()} of {slide.n_obs} barcodes of the counts have no place in {path.name} "
            f"(first: {slide.obs_names[missing][0]}); expected counts and places of one run"
        )
        raise InputError(msg)
    return table.reindex(slide.obs_names)


def first_line(error: Exception) -> str:
    """Return what an error of another library says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]
