"""Which column of a table of cells is what: given, or guessed from the names that labs use."""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from genesem_embed.datasets.markers import require_columns
from genesem_embed.errors import InputError

_GUESSES = {
    "id": ("cellid", "cell", "cellname", "objectnumber", "object", "celllabel", "celllabelinimage", "id"),
    "image": ("image", "imageid", "imagenumber", "sample", "sampleid", "fov", "roi", "core", "point", "acquisition"),
    "patient": ("patient", "patientid", "donor", "donorid", "case", "subject", "subjectid"),
    "x": ("centroidx", "xcentroid", "locationcenterx", "centerx", "posx", "xposition", "coordx", "xpx", "x"),
    "y": ("centroidy", "ycentroid", "locationcentery", "centery", "posy", "yposition", "coordy", "ypx", "y"),
    "cell_type": ("celltype", "type", "celltypes", "phenotype", "annotation", "cluster", "class"),
    "status": ("status", "clinicalstatus", "stage", "outcome", "response", "recurrence", "diagnosis", "condition"),
}
_NOT_MARKERS = re.compile(r"unnamed.*|index|.*area.*|.*size|eccentricity|solidity|perimeter|.*axislength.*|orientation")


@dataclass(frozen=True, kw_only=True)
class CellColumns:
    """Which column of a table of cells is what; None means guess, or leave out where nothing fits."""

    id: str | None = None
    image: str | None = None
    patient: str | None = None
    x: str | None = None
    y: str | None = None
    cell_type: str | None = None
    status: str | None = None
    markers: tuple[str, ...] | None = None


def choose_columns(path: Path, sample: pd.DataFrame, given: CellColumns) -> tuple[dict[str, str], list[str]]:
    """Return column by role, as given, else guessed, and the columns that are markers.

    Parameters
    ----------
    path
        Named in the messages.
    sample
        First rows of the table.
    given
        What the caller knows.

    Raises
    ------
    InputError
        Where a named column is missing, or x, y or markers cannot be found.
    """
    names = [str(name) for name in sample.columns]
    roles = {role: name for role in _GUESSES if (name := getattr(given, role)) is not None}
    if problem := require_columns(names, [*roles.values(), *(given.markers or ())]):
        msg = f"{path} {problem}"
        raise InputError(msg)
    free = {_plain(name): name for name in reversed(names) if name not in roles.values()}
    for role, guesses in _GUESSES.items():
        if role not in roles and (fits := [free[name] for name in guesses if name in free]):
            roles[role] = fits[0]
    lacking = [role for role in ("x", "y") if role not in roles]
    if lacking:
        msg = f"{path} has no column that reads like {' or '.join(lacking)}; it has: {', '.join(names[:20])}"
        raise InputError(msg)
    markers = list(given.markers or _marker_columns(sample, set(roles.values())))
    if not markers:
        msg = f"{path} has no column of numbers left to be a marker; it has: {', '.join(names[:20])}"
        raise InputError(msg)
    return roles, markers


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _marker_columns(sample: pd.DataFrame, taken: set[str]) -> list[str]:
    numeric = [str(name) for name in sample.select_dtypes("number")]
    return [name for name in numeric if name not in taken and not _NOT_MARKERS.fullmatch(_plain(name))]
