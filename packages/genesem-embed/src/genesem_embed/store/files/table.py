"""Parquet tables of a store: written one way, read with their schema, row count and sizes checked first."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genesem_embed.errors import IntegrityError
from genesem_embed.store.keys import KEY_BYTES, Keys

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 65_536
BATCH_ROWS = 8192
MAX_RATIO = 2000
"""Decoded bytes per byte of file: texts of one template compress well, a bomb compresses better."""
MAX_EASY_BYTES = 16 * 2**20
"""So much may be decoded from any file, however small."""


def keys_to_arrow(keys: Keys) -> "pa.Array":
    """Return the keys as one Arrow array, without copying them."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(keys))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), len(keys), [None, buffer])


def keys_from_arrow(column: "pa.Array") -> Keys:
    """Return the keys of an Arrow array or column, shape (n, 32)."""
    parts = column.chunks if hasattr(column, "chunks") else [column]
    views = [np.frombuffer(part.buffers()[1], np.uint8).reshape(-1, KEY_BYTES) for part in parts]
    cut = [view[part.offset : part.offset + len(part)] for view, part in zip(views, parts, strict=True)]
    return np.concatenate([np.empty((0, KEY_BYTES), np.uint8), *cut])


def write_table(path: Path, columns: list["pa.Array"], schema: "pa.Schema") -> None:
    """Write the columns to `path` as zstd Parquet; the caller makes the file safe on disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_arrays(columns, schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)


def read_batches(path: Path, schema: "pa.Schema", rows: int, *, as_dictionary: str = "") -> Iterator["pa.RecordBatch"]:
    """Yield the rows of the table at `path`, which must have the columns of `schema` and so many rows.

    Parameters
    ----------
    as_dictionary
        Name of a column to leave dictionary-encoded, so that a value repeated a million times is held once.

    Raises
    ------
    IntegrityError
        Not Parquet, other columns or rows, nulls, or a size that no honest table decodes to.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=[as_dictionary] if as_dictionary else None) as file:
            _check(path, file, schema, rows)
            for batch in file.iter_batches(BATCH_ROWS):
                batch.validate(full=True)
                yield batch
    except IntegrityError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        msg = f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}"
        raise IntegrityError(msg) from None


def _check(path: Path, file: "pa.parquet.ParquetFile", schema: "pa.Schema", rows: int) -> None:
    metadata = file.metadata
    found = metadata.schema.to_arrow_schema()
    if metadata.num_rows != rows or not found.equals(schema):
        columns = ", ".join(f"{field.name} {field.type}" for field in found)
        msg = f"{path} holds {metadata.num_rows} rows of {columns}; expected {rows} of {', '.join(schema.names)}"
        raise IntegrityError(msg)
    decoded = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    allowed = MAX_EASY_BYTES + MAX_RATIO * path.stat().st_size
    if decoded > allowed:
        msg = f"{path} declares {decoded} bytes when decoded; at most {allowed} are read from a file of its size"
        raise IntegrityError(msg)
