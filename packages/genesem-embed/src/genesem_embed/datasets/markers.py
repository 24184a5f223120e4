"""What every reader of multiplexed-protein cells ends with: short marker names and one AnnData of cells by markers."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData


def short_names(names: Iterable[str]) -> list[str]:
    """Return marker names fit for a sentence: one word each, plain ASCII, distinct even in upper case.

    Examples
    --------
    >>> short_names(["PTPRN / IA-2", "p-Histone H3 [S28]", "Ki-67", "KI-67"])
    ['PTPRN-IA-2', 'p-Histone-H3-S28', 'Ki-67', 'KI-67-2']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        plain = unicodedata.normalize("NFKD", str(name)).encode("ascii", "ignore").decode()
        word = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_") or "marker"
        candidate, copy = word, 1
        while candidate.upper() in taken:
            copy += 1
            candidate = f"{word}-{copy}"
        taken.add(candidate.upper())
        found.append(candidate)
    return found


def cell_slide(
    values: npt.NDArray[np.float32], markers: Sequence[str], obs: pd.DataFrame, coordinates: npt.NDArray[np.float64]
) -> AnnData:
    """Return cells by markers; text columns of `obs` become categories, the markers' full names stay in ``var``.

    Parameters
    ----------
    values
        One row a cell, one column a marker.
    markers
        Names as the source writes them.
    obs
        One row a cell, indexed by unique cell ids.
    coordinates
        x and y of every cell, in the units of its image.
    """
    for column in obs.columns:
        if obs[column].dtype == object:
            obs[column] = obs[column].astype("category")
    var = pd.DataFrame({"full_name": [str(name) for name in markers]}, index=short_names(markers))
    return AnnData(values, obs=obs, var=var, obsm={"spatial": coordinates})


def require_columns(found: Iterable[object], needed: Iterable[str]) -> str | None:
    """Return what is missing and what there is instead as one phrase, None where nothing is missing."""
    have = [str(name) for name in found]
    missing = [name for name in needed if name not in have]
    if not missing:
        return None
    shown = ", ".join(have[:20]) + (", ..." if len(have) > 20 else "")
    return f"lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; it has: {shown}"
