"""Index: which segment and row a key is in. A DuckDB file that is derived from the segments and never trusted alone.

It is private to this machine: built beside, swapped in by one rename and opened read-only, so that readers and
writers of the store never wait for it. Where the store is read-only it lives in the user's cache folder.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import StoreError
from genesem_embed.folders import cache_dir
from genesem_embed.store.files.canonical import sha256_hex
from genesem_embed.store.files.disk import staging
from genesem_embed.store.files.layout import INDEX
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.files.table import keys_to_arrow
from genesem_embed.store.keys import Keys

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

INDEX_VERSION = 1
LOOKUP_ROWS = 250_000
"""Keys a join: it bounds the memory that a lookup of millions takes."""

Positions = npt.NDArray[np.int64]
OpenSegments = Callable[[Sequence[str]], Iterable[Segment]]

_SCHEMA = f"""
CREATE TABLE meta AS SELECT {INDEX_VERSION} AS version;
CREATE TABLE segments (id INTEGER, digest VARCHAR, space VARCHAR, n_rows BIGINT, dim INTEGER, dtype VARCHAR,
                       bytes BIGINT);
CREATE TABLE rows (key BLOB, segment INTEGER, row INTEGER);
"""
_NAME = "store"
_LOCK = "SET enable_external_access = false; SET python_enable_replacements = false; SET lock_configuration = true"


class Index:
    """The open index of one store; `refresh` brings it up to the segments that are there now.

    Files are attached to a DuckDB instance of this object's own: DuckDB shares an opened file within a process by its
    path, and would hand out the old file after a new one was swapped in.
    """

    def __init__(self, root: Path) -> None:
        name = f"{sha256_hex(str(root.resolve()).encode())[:32]}.duckdb"
        self.places = (root / INDEX, cache_dir() / "index" / name)
        self.digests: list[str] = []
        """Digest of every indexed segment, by its number in the index."""
        self._path: Path | None = None
        self._instance: duckdb.DuckDBPyConnection | None = None

    def refresh(self, digests: Sequence[str], open_segments: OpenSegments) -> None:
        """Make the index hold exactly the segments `digests`."""
        wanted = set(digests)
        if self._path is not None and wanted == set(self.digests):
            return
        if any(self._open(place) and wanted == set(self.digests) for place in self.places):
            return
        self._rebuild(wanted, open_segments)

    def locate(self, keys: Keys) -> tuple[Positions, Positions, Positions]:
        """Return the matches of `keys` in their order: number of the key, segment and row; a key may match twice."""
        found = [self._join(keys, start) for start in range(0, len(keys), LOOKUP_ROWS)]
        columns = zip(*found, strict=True) if found else ((), (), ())
        which, segment, row = (np.concatenate([np.empty(0, np.int64), *parts]) for parts in columns)
        return which, segment, row

    def count(self, digest: str) -> int:
        """Return how many rows of a segment are indexed."""
        query = "SELECT count(*) FROM rows JOIN segments ON segment = id WHERE digest = ?"
        found = self._cursor().execute(query, [digest]).fetchone()
        return int(found[0]) if found else 0

    def locked_connection(self) -> "duckdb.DuckDBPyConnection | None":
        """Return a new connection to the index that can reach no other file, for queries of a user.

        None if another process has swapped in an index of other segments; refresh and ask again.
        """
        import duckdb

        connection = duckdb.connect()
        try:
            connection.execute(_attach(self._path or self.places[0], _NAME, "READ_ONLY"))
            same = _read_digests(connection, _NAME) == self.digests
        except duckdb.Error:
            same = False
        if not same:
            connection.close()
            return None
        connection.execute(f"USE {_NAME}; {_LOCK}")
        return connection

    def discard(self) -> None:
        """Remove a damaged index; the next `refresh` makes another."""
        path = self._path
        self.close()
        if path is not None:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and of DuckDB."""
        if self._instance is not None:
            self._instance.close()
        self._instance = None
        self._path = None
        self.digests = []

    def _cursor(self) -> "duckdb.DuckDBPyConnection":
        cursor = self._duckdb().cursor()
        cursor.execute(f"USE {_NAME}")
        return cursor

    def _duckdb(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        if self._instance is None:
            self._instance = duckdb.connect()
        return self._instance

    def _join(self, keys: Keys, start: int) -> tuple[Positions, Positions, Positions]:
        import pyarrow as pa

        part = keys[start : start + LOOKUP_ROWS]
        columns = [_to_arrow(np.arange(start, start + len(part))), keys_to_arrow(part)]
        wanted = pa.Table.from_arrays(columns, names=["i", "key"])
        cursor = self._cursor()
        cursor.register("wanted", wanted)
        found = cursor.execute(
            "SELECT i, segment, row FROM wanted JOIN rows USING (key) ORDER BY i, segment"
        ).fetchnumpy()
        cursor.close()
        which, segment, row = (np.asarray(found[name], np.int64) for name in ("i", "segment", "row"))
        return which, segment, row

    def _open(self, path: Path) -> bool:
        """Attach the index at `path` instead of the one in use, if it is one of this version."""
        import duckdb

        if not path.is_file():
            return False
        instance = self._duckdb()
        try:
            instance.execute(f"DETACH DATABASE IF EXISTS {_NAME}")
            self._path = None
            instance.execute(_attach(path, _NAME, "READ_ONLY"))
            self.digests = _read_digests(instance, _NAME)
        except duckdb.Error:
            return False
        self._path = path
        return True

    def _abandon(self) -> None:
        """Let go of a half-built index, if an error left one attached."""
        import duckdb

        with suppress(duckdb.Error):
            self._duckdb().execute("ROLLBACK")
        self._duckdb().execute("DETACH DATABASE IF EXISTS building")

    def _rebuild(self, digests: set[str], open_segments: OpenSegments) -> None:
        """Build the index beside the old one and swap it in; in the cache folder where the store takes no writes."""
        import duckdb

        for place in self.places:
            try:
                with staging(place.parent) as folder:
                    self._abandon()
                    _build(self._duckdb(), folder / INDEX, place, digests, open_segments)
                    # Opened before it is moved: afterwards another process may have put its own in this place.
                    opened = self._open(folder / INDEX)
                    (folder / INDEX).replace(place)
            except StoreError as error:
                if place == self.places[-1] or not isinstance(error.__cause__, OSError):
                    raise
            except duckdb.Error as error:  # how DuckDB says that a disk is full
                self.close()
                if place == self.places[-1]:
                    told = str(error).strip().splitlines()[0]
                    msg = f"the index of {self.places[0].parent} cannot be written, nor in {place.parent}: {told}"
                    raise StoreError(msg) from None
            else:
                if opened:
                    self._path = place
                    return
        msg = f"the index cannot be opened after it was built; remove {self.places[0]} and run again"
        raise StoreError(msg)


def _build(
    instance: "duckdb.DuckDBPyConnection", path: Path, old: Path, digests: set[str], open_segments: OpenSegments
) -> None:
    """Write the index of the segments `digests` to `path`, adding to a copy of `old` where segments were only added."""
    known = _attach_copy(instance, old, path)
    if not known or not set(known) <= digests:
        instance.execute("DETACH DATABASE IF EXISTS building")
        path.unlink(missing_ok=True)
        instance.execute(_attach(path, "building"))
        instance.execute(f"USE building; {_SCHEMA}; USE memory")
        known = []
    instance.execute("BEGIN")
    for number, segment in enumerate(open_segments(sorted(digests - set(known))), start=len(known)):
        _insert(instance, number, segment)
    instance.execute("COMMIT; CHECKPOINT building; DETACH DATABASE building")


def _attach_copy(instance: "duckdb.DuckDBPyConnection", old: Path, path: Path) -> list[str]:
    """Attach a copy of the old index as "building" and return the segments in it; none if it cannot be used."""
    import duckdb

    try:
        shutil.copyfile(old, path)
        instance.execute(_attach(path, "building"))
        return _read_digests(instance, "building")
    except (FileNotFoundError, duckdb.Error):
        return []


def _read_digests(instance: "duckdb.DuckDBPyConnection", name: str) -> list[str]:
    """Return the segments of an attached index; none of those of another version."""
    if instance.execute(f"SELECT version FROM {name}.meta").fetchall() != [(INDEX_VERSION,)]:
        return []
    return [digest for (digest,) in instance.execute(f"SELECT digest FROM {name}.segments ORDER BY id").fetchall()]


def _attach(path: Path, name: str, option: str = "READ_WRITE") -> str:
    quoted = str(path).replace("'", "''")
    return f"ATTACH '{quoted}' AS {name} ({option})"


def _insert(instance: "duckdb.DuckDBPyConnection", number: int, segment: Segment) -> None:
    import pyarrow as pa

    facts = segment.manifest
    values = [number, segment.digest, facts.space, facts.rows, facts.dim, facts.dtype, facts.size]
    instance.execute("INSERT INTO building.segments VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    columns = [keys_to_arrow(segment.keys.read()), _to_arrow(np.arange(facts.rows))]
    instance.register("added", pa.Table.from_arrays(columns, names=["key", "row"]))
    instance.execute(f"INSERT INTO building.rows SELECT key, {number}, row FROM added")
    instance.unregister("added")


def _to_arrow(numbers: Positions) -> "pa.Array":
    """Return the numbers as an Arrow array; `pyarrow.array` would load pandas, which takes longer than a lookup."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])
