"""Rows scattered over segments into one matrix, in the order asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import InputError, IntegrityError
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import KEY_BYTES, Keys, words

Positions = npt.NDArray[np.int64]
GATHER_ROWS = 250_000
"""Rows a pass when keys are compared: it bounds what reading takes besides the matrix itself."""


def keep_lowest(
    which: Positions, number: Positions, row: Positions, segments: Sequence[Segment]
) -> tuple[Positions, Positions, Positions]:
    """Return one match per key, the one with the lowest row hash, so that everybody reads the same vector.

    Parameters
    ----------
    which, number, row
        For every match, in ascending order of `which`: the number of the key, of the segment, and the row in it.
    """
    repeated = np.diff(which, prepend=-1) == 0
    if not repeated.any():
        return which, number, row
    contested = np.flatnonzero(np.isin(which, which[repeated]))
    hashes = np.empty((len(contested), KEY_BYTES), np.uint8)
    for segment, rows, at in _by_segment(number[contested], row[contested], segments):
        segment.row_sha.gather(rows, hashes, at)
    order = contested[np.lexsort([*words(hashes)[::-1], which[contested]])]
    losers = order[np.diff(which[order], prepend=-1) == 0]
    kept = np.setdiff1d(np.arange(len(which)), losers, assume_unique=True)
    return which[kept], number[kept], row[kept]


def gather(keys: Keys, number: Positions, row: Positions, segments: Sequence[Segment]) -> npt.NDArray[Any]:
    """Return the vector of every key from its segment and row, once the key stored there is found to be the same."""
    used = [segments[index].manifest for index in np.unique(number).tolist()]
    shapes = sorted({(facts.dim, facts.dtype) for facts in used})
    if len(shapes) > 1:
        msg = f"the keys belong to vectors of different shapes: {shapes}; ask for the keys of one space at a time"
        raise InputError(msg)
    dim, dtype = shapes[0] if shapes else (0, "float16")
    _check_keys(keys, number, row, segments)
    out = np.empty((len(keys), dim), dtype)
    for segment, rows, at in _by_segment(number, row, segments):
        segment.vectors.gather(rows, out, at)
    return out


def _check_keys(keys: Keys, number: Positions, row: Positions, segments: Sequence[Segment]) -> None:
    """Raise if the index pointed at a row of another key: an index is derived and may be stale or damaged."""
    for start in range(0, len(keys), GATHER_ROWS):
        part = slice(start, start + GATHER_ROWS)
        found = np.empty_like(keys[part])
        for segment, rows, at in _by_segment(number[part], row[part], segments):
            segment.keys.gather(rows, found, at)
        if not np.array_equal(found, keys[part]):
            msg = "the index does not fit the segments; remove index.duckdb from the store, it is made again"
            raise IntegrityError(msg)


def _by_segment(
    number: Positions, row: Positions, segments: Sequence[Segment]
) -> Iterator[tuple[Segment, Positions, Positions]]:
    """Yield each segment with its rows in ascending order and their places in the result."""
    order = np.lexsort([row, number])
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    for at in np.split(order, starts[1:]) if len(order) else []:
        yield segments[int(number[at[0]])], row[at], at
