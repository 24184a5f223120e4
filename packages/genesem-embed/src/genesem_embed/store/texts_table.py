"""The texts of a segment as Parquet: key, text and number of tokens, in the row order of the vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import IntegrityError
from genesem_embed.store.keys import KEY_BYTES, Keys

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 65_536


def schema() -> "pa.Schema":
    """Return the columns of ``texts.parquet``."""
    import pyarrow as pa

    fields = [("key", pa.binary(KEY_BYTES)), ("text", pa.string()), ("n_tokens", pa.int32())]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


def keys_to_arrow(keys: Keys) -> "pa.Array":
    """Return the keys as one Arrow array, without copying them."""
    import pyarrow as pa

    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(KEY_BYTES), len(keys), [None, pa.py_buffer(np.ascontiguousarray(keys))]
    )


def keys_from_arrow(column: "pa.ChunkedArray") -> Keys:
    """Return the keys of an Arrow column, shape (n, 32)."""
    parts = [
        np.frombuffer(part.buffers()[1], np.uint8).reshape(-1, KEY_BYTES)[part.offset : part.offset + len(part)]
        for part in column.chunks
    ]
    return np.concatenate([np.empty((0, KEY_BYTES), np.uint8), *parts])


def write(path: Path, keys: Keys, texts: Sequence[str], n_tokens: npt.NDArray[np.integer[Any]]) -> None:
    """Write the table to `path`; the caller makes it safe on disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [keys_to_arrow(keys), pa.array(texts, pa.string()), pa.array(n_tokens, pa.int32())]
    table = pa.Table.from_arrays(columns, schema=schema())
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)


def read(path: Path, rows: int) -> "pa.Table":
    """Return the table at `path`; it must have the columns of `schema` and so many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(path)
        if parquet.metadata.num_rows != rows or not parquet.schema_arrow.equals(schema()):
            msg = f"{path} holds {parquet.metadata.num_rows} rows of {parquet.schema_arrow.names}; expected {rows} of key, text, n_tokens"
            raise IntegrityError(msg)
        return parquet.read()
    except (pa.ArrowException, FileNotFoundError) as error:
        msg = f"{path} cannot be read as Parquet: {error}"
        raise IntegrityError(msg) from None
