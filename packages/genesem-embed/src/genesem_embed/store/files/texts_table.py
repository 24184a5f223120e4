"""The texts of a segment as Parquet: key, text and number of tokens, in the row order of the vectors."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.table import keys_from_arrow, keys_to_arrow, read_batches, write_table
from genesem_embed.store.keys import KEY_BYTES, Keys, text_keys

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXT_BYTES = 2**22
"""Longer than any context a model reads."""


def schema() -> "pa.Schema":
    """Return the columns of ``texts.parquet``."""
    import pyarrow as pa

    fields = [("key", pa.binary(KEY_BYTES)), ("text", pa.string()), ("n_tokens", pa.int32())]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


def write_texts(path: Path, keys: Keys, texts: Sequence[str], n_tokens: npt.NDArray[np.integer[Any]]) -> None:
    """Write the table to `path`; the caller makes it safe on disk."""
    import pyarrow as pa

    write_table(path, [keys_to_arrow(keys), pa.array(texts, pa.string()), pa.array(n_tokens, pa.int32())], schema())


def read_texts(path: Path, rows: int) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return all texts and their numbers of tokens."""
    texts: list[str] = []
    counts = [np.empty(0, np.int32)]
    for batch in read_batches(path, schema(), rows):
        texts += batch.column("text").to_pylist()
        counts.append(batch.column("n_tokens").to_numpy())
    return texts, np.concatenate(counts)


def read_checked_keys(path: Path, rows: int, space_id: str) -> Iterator[Keys]:
    """Yield the keys of the table in order, each found to be the hash of its text in the space.

    Raises
    ------
    IntegrityError
        A key is not, a text is too long, or the table is not one.
    """
    for batch in read_batches(path, schema(), rows, as_dictionary="text"):
        keys = keys_from_arrow(batch.column("key"))
        column = batch.column("text")
        texts = column.dictionary.to_pylist()
        if max((len(text) for text in texts), default=0) > MAX_TEXT_BYTES:
            msg = f"{path} holds a text of more than {MAX_TEXT_BYTES} characters; no model reads so much"
            raise IntegrityError(msg)
        if not np.array_equal(text_keys(space_id, texts)[column.indices.to_numpy()], keys):
            msg = f"{path} holds keys that are not the hashes of their texts in the space {space_id[:12]}"
            raise IntegrityError(msg)
        yield keys
