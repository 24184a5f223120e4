"""The data sets genesem knows by name: one TOML file each in ``registry/``, read when first asked for.

Importing this module loads neither scanpy nor pandas, so that ``datasets list`` and ``--help`` answer at once.
"""

import difflib
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar, cast

from genesem_embed.errors import UnknownNameError

_FOLDER = Path(__file__).parent / "registry"
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a data set and where it comes from."""

    filename: str
    """Where it belongs, relative to the data set's folder."""
    url: str | None = None
    """Direct link; None where none is known and the user has to fetch the file by hand."""
    sha256: str | None = None
    """Of the downloaded bytes (the archive, where there is one); None where it is not known."""
    size: int | None = None
    """Of the downloaded bytes."""
    archive: str | None = None
    """File name of the zip or tar that the link delivers."""
    member: str | None = None
    """What to take out of the archive; a folder ends in a slash."""


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """A table beside the slide that holds its annotation, one row a spot."""

    file: str
    id: str
    label: str
    columns: tuple[str, ...] = ()
    """Names of the columns of a table without a header."""
    only: tuple[str, str] | None = None
    """Take the rows whose first named column holds the second value."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is known of one data set: where it comes from, what it holds, and how it is read."""

    name: str
    title: str
    source: str
    licence: str
    citation: str
    organism: Literal["human", "mouse"]
    technology: str
    resolution: Literal["spot-array", "single-cell"]
    reader: Literal["demo", "h5ad", "visium", "damond", "karimi"]
    note: str
    kind: Literal["counts", "markers"] = "counts"
    label_key: str | None = None
    n_domains: int | None = None
    preset: str | None = None
    counts_layer: str | None = None
    files: tuple[RemoteFile, ...] = ()
    labels: LabelTable | None = None


def list_datasets() -> list[Dataset]:
    """Return every registered data set, by name."""
    return list(_registry().values())


def is_registered(name: str) -> bool:
    """Return whether `name` is the name of a registered data set."""
    return name in _registry()


def find_dataset(name: str) -> Dataset:
    """Return the data set called `name`.

    Raises
    ------
    UnknownNameError
        Where there is none; the message shows the nearest names.
    """
    known = _registry()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)};"
    msg = (
        f"no data set is called {name!r}: {hint} give one of the names that `genesem-embed datasets list` shows, "
        "or the path of a slide (.h5ad, Visium or Xenium folder, SpatialData .zarr)"
    )
    raise UnknownNameError(msg)


@cache
def _registry() -> dict[str, Dataset]:
    found = [_read_entry(path) for path in sorted(_FOLDER.glob("*.toml"))]
    return {entry.name: entry for entry in found}


def _read_entry(path: Path) -> Dataset:
    """Return the entry of one TOML file; a mistake in it is ours, so it is asserted."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    table["files"] = tuple(_make(RemoteFile, file) for file in table.get("files", []))
    if "labels" in table:
        labels = table["labels"]
        labels["columns"] = tuple(labels.get("columns", ()))
        labels["only"] = cast("tuple[str, str]", tuple(labels["only"])) if "only" in labels else None
        table["labels"] = _make(LabelTable, labels)
    entry = _make(Dataset, table)
    assert entry.name == path.stem, f"{path.name} is called {entry.name!r}"
    assert all(_stays_inside(file.filename) for file in entry.files), f"{path.name} names a file outside its folder"
    return entry


def _make(shape: type[_Entry], table: dict[str, Any]) -> _Entry:
    unknown = set(table) - {field.name for field in fields(cast("Any", shape))}
    assert not unknown, f"{shape.__name__} has no {sorted(unknown)}"
    return shape(**table)


def _stays_inside(filename: str) -> bool:
    path = PurePosixPath(filename)
    return not path.is_absolute() and ".." not in path.parts
