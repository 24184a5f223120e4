"""Cached: files of a remote store, fetched when first opened; whole ones by their hash, chunks by range.

What is here has passed its check: a whole file the SHA-256 that its manifest or name gives, a chunk its CRC-32C, and
every row read from it the SHA-256 that the segment's ``row_sha`` gives. A file appears by one rename, so any number of
processes share a cache folder; all of it may be removed at any time.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import StoreError
from genesem_embed.store.files.arrays import SHARD, Array, ReadChunk, StoredArray, is_whole_chunk
from genesem_embed.store.files.disk import fsync_path, staging, telling, write_file
from genesem_embed.store.files.layout import SEGMENTS
from genesem_embed.store.files.manifest import GROUP, MANIFEST, PROVENANCE, TEXTS, Manifest
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import KEY_BYTES, row_hashes
from genesem_embed.store.sharing.quarantine import MAX_PROVENANCE_BYTES, fetch_file, fetch_manifest
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import expecting

CHUNKS = "chunks"
PART_OF_CHUNKS = 0.5
"""From this part of its chunks on, an array is fetched whole: one request, one hash."""
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A remote store and the folder that holds what was fetched of it."""

    source: RemoteSource
    root: Path

    def bring_manifest(self, digest: str) -> Manifest:
        """Return the manifest of a segment."""
        folder = self.root / SEGMENTS / digest
        if (folder / MANIFEST).exists():
            return fetch_manifest(self.source, digest, folder)
        with staging(self.root) as staged:
            manifest = fetch_manifest(self.source, digest, staged)
            self._keep(staged / MANIFEST, folder / MANIFEST)
        return manifest

    def bring_file(self, digest: str, name: str, manifest: Manifest) -> Path:
        """Return the path of one file of a segment, whole and as its manifest has it."""
        path = self.root / SEGMENTS / digest / name
        size = manifest.files[name][0]
        if not path.exists() or path.stat().st_size != size:
            self._check_room(size)
            with staging(self.root) as staged:
                fetch_file(self.source, digest, name, manifest, staged)
                fsync_path(staged / name)
                self._keep(staged / name, path)
        return path

    def bring_provenance(self, digest: str) -> None:
        """Fetch who made a segment."""
        path = self.root / SEGMENTS / digest / PROVENANCE
        if not path.exists():
            name = f"{SEGMENTS}/{digest}/{PROVENANCE}"
            with expecting(self.source, name):
                self.write(path, self.source.read(name, MAX_PROVENANCE_BYTES))

    def bring_chunks(self, digest: str, name: str, chunks: Sequence[int], size: int) -> Path | None:
        """Return the folder of these chunks of an array, each `size` bytes; None where only whole files can be had."""
        folder = self.root / CHUNKS / digest / name
        lacking = [number for number in chunks if not _is_here(folder / str(number), size)]
        path = f"{SEGMENTS}/{digest}/{GROUP}/{name}/{SHARD}"
        with expecting(self.source, path):
            parts = self.source.ranges(path, [number * size for number in lacking], size) if lacking else []
        if parts is None:
            return None
        for number, part in zip(lacking, parts, strict=True):
            self.write(folder / str(number), part)
        return folder

    def write(self, path: Path, data: bytes) -> None:
        """Put a small file into the cache."""
        with staging(self.root) as staged:
            write_file(staged / "file", [data])
            self._keep(staged / "file", path)

    def _keep(self, staged: Path, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(path)

    def _check_room(self, size: int) -> None:
        with telling(self.root):
            free = shutil.disk_usage(self.root).free
        if size > free:
            held = f"{self.source.place} has a file of {size} bytes"
            msg = f"{held}, {free} are free in the cache at {self.root}; make room"
            raise StoreError(msg)


class CachedSegment(Segment):
    """A segment of a remote store, of which only what is read moves.

    Opening moves its manifest (two kilobytes); `keys` and `row_sha` move whole when first read (32 bytes a row each);
    `vectors` by the chunks of 256 rows that hold the rows asked for, or whole if that is half of them; `texts_path`
    moves the table of texts.
    """

    def __init__(self, cache: Cache, digest: str) -> None:
        self.cache = cache
        super().__init__(cache.root / SEGMENTS / digest)

    @property
    def texts_path(self) -> Path:
        """Where the table of texts is, once it is here."""
        return self.cache.bring_file(self.digest, TEXTS, self.manifest)

    def provenance(self) -> dict[str, Any]:
        """Return who made the segment, when and with what."""
        self.cache.bring_provenance(self.digest)
        return super().provenance()

    def bring_everything(self) -> None:
        """Fetch every file of the segment."""
        for name in self.manifest.files:
            self.cache.bring_file(self.digest, name, self.manifest)
        self.cache.bring_provenance(self.digest)

    def _open(self) -> Manifest:
        return self.cache.bring_manifest(self.digest)

    def _array(self, name: str, width: int, dtype: npt.DTypeLike) -> StoredArray:
        shape = (self.manifest.rows, width)
        if name != "vectors":
            return _WholeArray(self, name, shape, np.dtype(dtype))
        return _RangedArray(self, name, shape, np.dtype(dtype))


class _WholeArray(StoredArray):
    """An array of a remote segment whose files are fetched when they are first opened."""

    def __init__(self, segment: CachedSegment, name: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        super().__init__(segment.folder / GROUP / name, shape, dtype)
        self.name = name
        self.segment = segment

    def _path(self, part: str) -> Path:
        whole = f"{GROUP}/{self.name}/{part}"
        return self.segment.cache.bring_file(self.segment.digest, whole, self.segment.manifest)

    def _check_shard(self, chunk_rows: int) -> None:
        """Refuse a shard of another size than its chunks and their index take, before any of it moves."""
        expected = self._shard_bytes(chunk_rows)
        promised, _ = self.segment.manifest.files[f"{GROUP}/{self.name}/{SHARD}"]
        if promised != expected:
            self._refuse(SHARD, f"has {promised} bytes; expected {expected}")


class _RangedArray(_WholeArray):
    """The vectors of a remote segment; every row that is read is found to have the hash in ``row_sha``."""

    def gather(self, rows: npt.NDArray[np.intp], out: Array, positions: npt.NDArray[np.intp]) -> None:
        """Put row ``rows[i]``, in ascending order, at ``out[positions[i]]``."""
        super().gather(rows, out, positions)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            promised = np.empty((len(rows[part]), KEY_BYTES), np.uint8)
            self.segment.row_sha.gather(rows[part], promised, np.arange(len(promised)))
            if not np.array_equal(row_hashes(out[positions[part]]), promised):
                self._refuse(SHARD, f"of {self.segment.cache.source.place} holds rows that are not those of row_sha")

    @contextmanager
    def _reading(self, chunks: Sequence[int]) -> Iterator[ReadChunk]:
        n_chunks = -(-self.shape[0] // self._chunk_rows)
        few = len(chunks) < PART_OF_CHUNKS * n_chunks and not (self.folder / SHARD).exists()
        size = self._chunk_bytes(self._chunk_rows)
        cache, digest = self.segment.cache, self.segment.digest
        folder = cache.bring_chunks(digest, self.name, chunks, size) if few else None
        if folder is None:
            with super()._reading(chunks) as read:
                yield read
            return
        yield lambda number: (folder / str(number)).read_bytes()


def _is_here(path: Path, size: int) -> bool:
    return path.is_file() and is_whole_chunk(path.read_bytes(), size)
