"""Index: which segment and row a key is in. A DuckDB file that is derived from the segments and never trusted alone.

It is private to this machine: built beside, swapped in by one rename and opened read-only, so that readers and
writers of the store never wait for it. Where the store is read-only it lives in the user's cache folder.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import StoreError
from genesem_embed.folders import cache_dir
from genesem_embed.store.canonical import sha256_hex
from genesem_embed.store.disk import staging
from genesem_embed.store.keys import Keys
from genesem_embed.store.layout import INDEX
from genesem_embed.store.segment import Segment
from genesem_embed.store.table import keys_to_arrow

if TYPE_CHECKING:
    import duckdb

INDEX_VERSION = 1
LOOKUP_ROWS = 250_000
"""Keys a join: it bounds the memory that a lookup of millions takes."""

Positions = npt.NDArray[np.int64]

_SCHEMA = f"""
CREATE TABLE meta AS SELECT {INDEX_VERSION} AS version;
CREATE TABLE segments (id INTEGER, digest VARCHAR, space VARCHAR, n_rows BIGINT, dim INTEGER, dtype VARCHAR,
                       bytes BIGINT);
CREATE TABLE rows (key BLOB, segment INTEGER, row INTEGER);
"""
_NAME = "store"
_LOCK = "SET enable_external_access = false; SET lock_configuration = true"


class Index:
    """The open index of one store; `refresh` brings it up to the segments that are there now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: list[str] = []
        """Digest of every indexed segment, by its number in the index."""
        self._connection: duckdb.DuckDBPyConnection | None = None

    def refresh(self, digests: Sequence[str], open_segment: Callable[[str], Segment]) -> None:
        """Make the index hold exactly the segments `digests`."""
        if self._connection is not None and set(digests) == set(self.digests):
            return
        self.close()
        for path in self._places():
            if self._open(path) and set(digests) == set(self.digests):
                return
        self._rebuild(digests, open_segment)

    def locate(self, keys: Keys) -> tuple[Positions, Positions, Positions]:
        """Return the matches of `keys` in their order: number of the key, segment and row; a key may match twice."""
        found = [self._join(keys, start) for start in range(0, len(keys), LOOKUP_ROWS)]
        empty = np.empty(0, np.int64)
        which, segment, row = (
            (np.concatenate([empty, *parts]) for parts in zip(*found, strict=True)) if found else (empty,) * 3
        )
        return which, segment, row

    def count(self, digest: str) -> int:
        """Return how many rows of a segment are indexed."""
        query = "SELECT count(*) FROM rows JOIN segments ON segment = id WHERE digest = ?"
        found = self.cursor().execute(query, [digest]).fetchone()
        return int(found[0]) if found else 0

    def cursor(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection of its own for one caller; it can touch no file but the index."""
        if self._connection is None:
            msg = "the index is not open"
            raise AssertionError(msg)
        cursor = self._connection.cursor()
        cursor.execute(f"USE {_NAME}")
        return cursor

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self.digests = []

    def _join(self, keys: Keys, start: int) -> tuple[Positions, Positions, Positions]:
        import pyarrow as pa

        part = keys[start : start + LOOKUP_ROWS]
        wanted = pa.table({"i": np.arange(start, start + len(part)), "key": keys_to_arrow(part)})
        cursor = self.cursor()
        cursor.register("wanted", wanted)
        query = "SELECT i, segment, row FROM wanted JOIN rows USING (key) ORDER BY i, segment"
        found = cursor.execute(query).fetchnumpy()
        cursor.close()
        return tuple(np.asarray(found[name], np.int64) for name in ("i", "segment", "row"))  # type: ignore[return-value]

    def _places(self) -> list[Path]:
        name = f"{sha256_hex(str(self.root.resolve()).encode())[:32]}.duckdb"
        return [self.root / INDEX, cache_dir() / "index" / name]

    def _open(self, path: Path) -> bool:
        """Open the index at `path` if it is one of this version."""
        if not path.is_file():
            return False
        connection = _attach(path)
        if connection is None:
            return False
        self._connection = connection
        found = self.cursor().execute("SELECT digest FROM segments ORDER BY id").fetchall()
        self.digests = [digest for (digest,) in found]
        return True

    def _rebuild(self, digests: Sequence[str], open_segment: Callable[[str], Segment]) -> None:
        """Build the index beside the old one and swap it in; in the cache folder where the store takes no writes."""
        for place in self._places():
            try:
                with staging(place.parent) as folder:
                    _build(folder / INDEX, place, digests, open_segment)
                    (folder / INDEX).replace(place)
            except StoreError as error:
                if place.parent != self.root or not isinstance(error.__cause__, OSError):
                    raise
            else:
                self.close()
                if self._open(place):
                    return
        msg = f"the index of {self.root} cannot be opened after it was built; remove {self._places()[0]} and run again"
        raise StoreError(msg)


def _attach(path: Path) -> "duckdb.DuckDBPyConnection | None":
    """Return a connection that reads the index at `path` and no other file, or None if it is not one of this version.

    Attached to an instance of its own rather than opened: DuckDB shares an opened file within a process by its path,
    and would hand out the old file after a new one was swapped in.
    """
    import duckdb

    connection = duckdb.connect()
    quoted = str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{quoted}' AS {_NAME} (READ_ONLY)")
        version = connection.execute(f"SELECT version FROM {_NAME}.meta").fetchone()
        connection.execute(_LOCK)
    except duckdb.Error:
        connection.close()
        return None
    return connection if version == (INDEX_VERSION,) else None


def _build(path: Path, old: Path, digests: Sequence[str], open_segment: Callable[[str], Segment]) -> None:
    """Write the index of the segments `digests` to `path`, adding to a copy of `old` where segments were only added."""
    import duckdb

    known = _copy(old, path)
    if not known or not set(known) <= set(digests):
        path.unlink(missing_ok=True)
        known = []
    with duckdb.connect(str(path)) as connection:
        if not known:
            connection.execute(_SCHEMA)
        for number, digest in enumerate(sorted(set(digests) - set(known)), start=len(known)):
            _insert(connection, number, open_segment(digest))


def _copy(old: Path, path: Path) -> list[str]:
    """Copy the index and return the segments in it; none, and no copy, if it cannot be used."""
    try:
        shutil.copyfile(old, path)
    except FileNotFoundError:
        return []
    connection = _attach(path)
    if connection is None:
        path.unlink()
        return []
    with connection:
        return [
            digest for (digest,) in connection.execute(f"SELECT digest FROM {_NAME}.segments ORDER BY id").fetchall()
        ]


def _insert(connection: "duckdb.DuckDBPyConnection", number: int, segment: Segment) -> None:
    import pyarrow as pa

    facts = segment.manifest
    values = [number, segment.digest, facts.space, facts.rows, facts.dim, facts.dtype, facts.size]
    connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    added = pa.table({"key": keys_to_arrow(segment.keys.read()), "row": np.arange(facts.rows, dtype=np.int32)})
    connection.register("added", added)
    connection.execute(f"INSERT INTO rows SELECT key, {number}, row FROM added")
    connection.unregister("added")
