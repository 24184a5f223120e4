"""Any CSV of cells, one row each, read in pieces into one AnnData."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from genesem_embed.datasets.cell_columns import CellColumns, choose_columns
from genesem_embed.datasets.markers import cell_slide
from genesem_embed.errors import InputError

_CHUNK = 100_000
_SAMPLE = 1000
_EXTREMES = (np.minimum, np.maximum)


def read_cell_table(path: Path, columns: CellColumns | None = None) -> AnnData:
    """Return the cells in the CSV or TSV at `path`: X markers, obs cell_type, image, patient, status and other text.

    Cell ids get their image's name in front where they repeat between images. A table without an image column is one
    image. A guessed marker that never varies within a patient is a fact about patients, such as an age: it goes to obs,
    since as a marker it would give the patient away.

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
    roles, markers = choose_columns(path, sample, columns or CellColumns())
    _refuse_spoilt(path, sample.drop(columns=[*roles.values(), *markers]))
    place = [roles.pop("x"), roles.pop("y")]
    text = [str(name) for name in sample if name in roles.values() or name not in sample.select_dtypes("number")]
    rows, values = _read_rows(path, markers, place, text)
    obs = _annotation(rows, roles, place)
    if columns is None or columns.markers is None:
        facts = _facts_of_groups(values, obs["patient" if "patient" in obs else "image"])
        for column in np.flatnonzero(facts):
            obs[markers[column]] = values[:, column]
        values, markers = values[:, ~facts], [name for name, fact in zip(markers, facts, strict=True) if not fact]
    return cell_slide(values, markers, obs, rows[place].to_numpy())


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


def _facts_of_groups(values: npt.NDArray[np.float32], groups: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """Return which columns vary between groups and never within one; none where groups are too small to tell."""
    codes, names = pd.factorize(groups)
    if len(names) < 2 or len(codes) < 2 * len(names):
        return np.zeros(values.shape[1], dtype=bool)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
    low, high = (np.stack([which.reduceat(column[order], starts) for column in values.T]) for which in _EXTREMES)
    found: npt.NDArray[np.bool_] = (low == high).all(axis=1) & (low.min(axis=1) < high.max(axis=1))
    return found


def _separator(path: Path) -> str:
    return "\t" if ".tsv" in path.suffixes or ".txt" in path.suffixes else ","


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
