"""Any CSV of cells, one row each: which column is what is given, or guessed from the names that labs use."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.markers import cell_slide, require_columns
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
_CHUNK = 100_000
_SAMPLE = 1000


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


def read_cell_table(path: Path, columns: CellColumns | None = None) -> AnnData:
    """Return the cells in the CSV or TSV at `path`: X markers, obs cell_type, image, patient, status and other text.

    Cell ids get their image's name in front where they repeat between images. A table without an image column is one
    image.

    Parameters
    ----------
    columns
        Names of the columns; those that are None are guessed. Markers unless given: every other column of numbers.

    Raises
    ------
    InputError
        Where a named column is missing, x, y or markers cannot be found, or a marker holds text.
    """
    sample = _read_sample(path)
    roles, markers = _choose(path, sample, columns or CellColumns())
    _refuse_spoilt(path, sample.drop(columns=[*roles.values(), *markers]))
    place = [roles.pop("x"), roles.pop("y")]
    text = [name for name in sample if name in roles.values() or not pd.api.types.is_numeric_dtype(sample[name])]
    rows, values = _read_rows(path, markers, place, [str(name) for name in text])
    return cell_slide(values, markers, _annotation(rows, roles, place), rows[place].to_numpy())


def _read_sample(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, sep=_separator(path), nrows=_SAMPLE)
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read as a table ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    if table.empty:
        msg = f"{path} holds no cell: a header and one row a cell are expected"
        raise InputError(msg)
    return table


def _refuse_spoilt(path: Path, rest: pd.DataFrame) -> None:
    """Refuse a column of numbers that a few words turn into text, rather than lose a marker without a word."""
    for name in rest.select_dtypes(exclude="number"):
        values = rest[name].dropna()
        words = values[pd.to_numeric(values, errors="coerce").isna()]
        if 0 < len(words) < 0.5 * len(values):
            msg = (
                f"{path}: column {name} holds numbers but for {len(words)} values such as {words.iloc[0]!r}: mend them"
            )
            raise InputError(msg)


def _read_rows(
    path: Path, markers: list[str], place: list[str], text: list[str]
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return annotation and coordinates, and the markers apart; read in pieces, so that text never fills the memory."""
    kinds: dict[str, Any] = dict.fromkeys(text, "string") | dict.fromkeys(place, "f8") | dict.fromkeys(markers, "f4")
    parts, values = [], []
    try:
        for part in pd.read_csv(path, sep=_separator(path), usecols=[*kinds], dtype=kinds, chunksize=_CHUNK):
            values.append(part[markers].to_numpy())
            parts.append(part[[*text, *place]])
    except (OSError, ValueError) as error:
        msg = f"{path}: a column of markers or coordinates holds text ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    return pd.concat(parts, ignore_index=True), np.concatenate(values)


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes or ".txt" in path.suffixes else ","


def _choose(path: Path, sample: pd.DataFrame, given: CellColumns) -> tuple[dict[str, str], list[str]]:
    """Return column by role, as given, else guessed, and the columns that are markers."""
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


def _annotation(rows: pd.DataFrame, roles: dict[str, str], place: list[str]) -> pd.DataFrame:
    """Return obs by unique cell ids: every column by its own name, those with a role by that name too."""
    roles = dict(roles)
    id_column = roles.pop("id", None)
    obs = rows.drop(columns=place).astype(object)
    ids = rows.index.astype(str).to_series() if id_column is None else obs.pop(id_column).astype(str)
    obs = obs.assign(**{role: obs[name] for role, name in roles.items()})
    if "image" not in obs:
        obs["image"] = "1"
    if id_column is None or ids.duplicated().any():
        ids = obs["image"].astype(str) + "_" + ids.to_numpy()
    return obs.set_index(pd.Index(ids.to_numpy()))
