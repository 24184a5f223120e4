"""Two-dimensional arrays as Zarr v3: one uncompressed shard each, cut into chunks of rows that carry a crc32c.

The shard is written here rather than through zarr-python, so that one pass writes, hashes and checksums the
bytes and ends in an fsync, and read here so that only the rows asked for are touched and every chunk is checked on the
way. Only this one arrangement is accepted, which leaves a stranger's file no codec to choose. Any Zarr v3 reader opens
the result.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import google_crc32c
import numpy as np
import numpy.typing as npt

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.canonical import canonical_json, parse_json
from genesem_embed.store.files.disk import Written, write_file

METADATA = "zarr.json"
SHARD = "c/0/0"
MAX_CHUNK_BYTES = 64 * 2**20
MAX_METADATA_BYTES = 16_384

# The CRC-32C of any bytes followed by their own CRC-32C (little-endian) is this constant.
_CRC_OF_CHECKED = 0x48674BC7
_CRC_BYTES = 4

Array = npt.NDArray[Any]
ReadChunk = Callable[[int], bytes]
"""Gives the bytes of a chunk, its checksum included, by its number."""


def array_metadata(shape: tuple[int, int], dtype: np.dtype[Any], chunk_rows: int) -> dict[str, Any]:
    """Return the content of an array's ``zarr.json``."""
    rows, columns = shape
    plain = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {
        "chunk_shape": [chunk_rows, columns],
        "codecs": plain,
        "index_codecs": plain,
        "index_location": "end",
    }
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [rows, columns],
        "data_type": dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [-(-rows // chunk_rows) * chunk_rows, columns]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0 if dtype.kind == "u" else 0.0,
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "attributes": {},
    }


def write_array(
    folder: Path, array: Array, chunk_rows: int, order: npt.NDArray[np.intp] | None = None
) -> dict[str, Written]:
    """Write the rows of `array`, in the given order, as the Zarr array `folder`; return its files by path within it."""
    order = np.arange(len(array)) if order is None else order
    chunk_rows = min(chunk_rows, len(order))
    metadata = canonical_json(array_metadata((len(order), array.shape[1]), array.dtype, chunk_rows))
    (folder / SHARD).parent.mkdir(parents=True)
    return {
        METADATA: write_file(folder / METADATA, [metadata]),
        SHARD: write_file(folder / SHARD, _shard(array, order, chunk_rows)),
    }


def _shard(array: Array, order: npt.NDArray[np.intp], chunk_rows: int) -> Iterator[bytes | memoryview]:
    """Yield the chunks, each with its checksum, the last one filled up with zeros, then the index of them all."""
    chunk = np.zeros((chunk_rows, array.shape[1]), array.dtype.newbyteorder("<"))
    data = chunk.view(np.uint8).ravel()
    data.flags.writeable = False
    n_chunks = -(-len(order) // chunk_rows)
    for number in range(n_chunks):
        rows = order[number * chunk_rows : (number + 1) * chunk_rows]
        chunk[: len(rows)] = array[rows]
        chunk[len(rows) :] = 0
        yield data.data
        yield _crc(data)
    index = _shard_index(n_chunks, chunk.nbytes)
    yield index
    yield _crc(index)


def _shard_index(n_chunks: int, size: int) -> bytes:
    length = size + _CRC_BYTES
    entries = np.stack([np.arange(n_chunks) * length, np.full(n_chunks, length)], axis=1)
    return entries.astype("<u8").tobytes()


def _crc(data: bytes | npt.NDArray[np.uint8]) -> bytes:
    checksum: int = google_crc32c.value(data)
    return checksum.to_bytes(_CRC_BYTES, "little")


def is_whole_chunk(data: bytes, size: int) -> bool:
    """Tell whether `data` is a chunk of so many bytes that ends in its own checksum."""
    return len(data) == size and google_crc32c.value(data) == _CRC_OF_CHECKED


class StoredArray:
    """One array on disk, read by rows; nothing is read before it is asked for, and every chunk read is checked."""

    def __init__(self, folder: Path, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
        self.folder = folder
        self.shape = shape
        self.dtype = dtype.newbyteorder("<")
        self._chunk_rows = 0

    def read(self, start: int = 0, stop: int | None = None) -> Array:
        """Return the rows from `start` to before `stop`; all of them unless told otherwise."""
        self._check()  # before memory is taken for what a manifest only claims
        rows = np.arange(start, min(stop or self.shape[0], self.shape[0]))
        out = np.empty((len(rows), self.shape[1]), self.dtype)
        self.gather(rows, out, rows - start)
        return out

    def read_row(self, row: int) -> Array:
        """Return one row."""
        vector: Array = self.read(row, row + 1)[0]
        return vector

    def gather(self, rows: npt.NDArray[np.intp], out: Array, positions: npt.NDArray[np.intp]) -> None:
        """Put row ``rows[i]``, in ascending order, at ``out[positions[i]]``."""
        if not len(rows):
            return
        self._check()
        chunks, within = np.divmod(rows, self._chunk_rows)
        starts = np.flatnonzero(np.diff(chunks, prepend=-1))
        ends = np.append(starts[1:], len(rows))
        with self._reading(chunks[starts].tolist()) as read:
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                chunk = self._chunk(int(chunks[start]), read)
                out[positions[start:end]] = chunk[within[start:end]]

    @contextmanager
    def _reading(self, chunks: Sequence[int]) -> Iterator[ReadChunk]:
        """Give the way to the bytes of these chunks."""
        size = self._chunk_bytes(self._chunk_rows)
        with self._file(SHARD) as shard:
            yield lambda number: os.pread(shard.fileno(), size, number * size)

    def _chunk(self, number: int, read: ReadChunk) -> Array:
        size = self._chunk_bytes(self._chunk_rows)
        data = read(number)
        if not is_whole_chunk(data, size):
            self._refuse(SHARD, f"chunk {number} is damaged ({len(data)} of {size} bytes, or another crc32c)")
        values = np.frombuffer(memoryview(data)[:-_CRC_BYTES], self.dtype)
        return values.reshape(self._chunk_rows, self.shape[1])

    def _check(self) -> None:
        """Read metadata and shard index, once, and refuse any that are not as they are written here."""
        if self._chunk_rows:
            return
        with self._file(METADATA) as file:
            data = file.read(MAX_METADATA_BYTES + 1)
        if len(data) > MAX_METADATA_BYTES:
            self._refuse(METADATA, f"has more than {MAX_METADATA_BYTES} bytes")
        metadata = parse_json(data, str(self.folder / METADATA))
        chunk_rows = _declared_chunk_rows(metadata)
        if not 1 <= chunk_rows <= self.shape[0] or self._chunk_bytes(chunk_rows) > MAX_CHUNK_BYTES:
            self._refuse(METADATA, f"declares chunks of {chunk_rows} rows for {self.shape[0]} rows")
        if metadata != array_metadata(self.shape, self.dtype, chunk_rows):
            self._refuse(METADATA, f"is not that of an uncompressed {self.dtype.name} array of shape {self.shape}")
        self._check_shard(chunk_rows)
        self._chunk_rows = chunk_rows

    def _check_shard(self, chunk_rows: int) -> None:
        """Refuse a shard of another size, or whose index does not point at the chunks in order."""
        n_chunks = -(-self.shape[0] // chunk_rows)
        index = _shard_index(n_chunks, self._chunk_bytes(chunk_rows) - _CRC_BYTES)
        index += _crc(index)
        end = n_chunks * self._chunk_bytes(chunk_rows)
        with self._file(SHARD) as shard:
            size = os.fstat(shard.fileno()).st_size
            if size != end + len(index):
                self._refuse(SHARD, f"has {size} bytes; expected {end + len(index)}")
            if os.pread(shard.fileno(), len(index), end) != index:
                self._refuse(SHARD, "has an index that does not point at its chunks in order")

    def _chunk_bytes(self, chunk_rows: int) -> int:
        return chunk_rows * self.shape[1] * self.dtype.itemsize + _CRC_BYTES

    def _shard_bytes(self, chunk_rows: int) -> int:
        """Return the bytes of a whole shard: its chunks, the index of 16 bytes each, and its checksum."""
        n_chunks = -(-self.shape[0] // chunk_rows)
        return n_chunks * (self._chunk_bytes(chunk_rows) + 16) + _CRC_BYTES

    def _path(self, part: str) -> Path:
        return self.folder / part

    def _file(self, name: str) -> FileIO:
        try:
            return FileIO(self._path(name))
        except FileNotFoundError:
            self._refuse(name, "is missing")

    def _refuse(self, name: str, problem: str) -> NoReturn:
        msg = f"{self.folder / name} {problem}; the segment cannot be used: run genesem-embed verify for the extent"
        raise IntegrityError(msg)


def _declared_chunk_rows(metadata: dict[str, Any]) -> int:
    """Return the rows of a chunk as a stranger's metadata declares them, 0 when it does not."""
    try:
        rows = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
    except (KeyError, IndexError, TypeError):
        return 0
    return rows if isinstance(rows, int) and not isinstance(rows, bool) else 0
