"""Vectors as an encoder gives them, made ready for a segment: in the stored precision, sorted by key, each key once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import EncodingError
from genesem_embed.store.keys import KEY_BYTES, Keys, key_order, row_hashes
from genesem_embed.store.space import Space

BLOCK = 256
# All bits of the exponent are set in NaN and infinity alone; numpy looks at float16 far more slowly than at integers.
_EXPONENTS = {"float16": (np.uint16, np.uint16(0x7C00)), "float32": (np.uint32, np.uint32(0x7F800000))}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a segment; ready for one when sorted by key, each key once."""

    keys: Keys
    vectors: npt.NDArray[Any]
    """As they came: they are the bulk, and are put in order only while they are written."""
    order: npt.NDArray[np.intp]
    """Which of `vectors` belongs to each key."""
    row_sha: Keys
    texts: Sequence[str]
    n_tokens: npt.NDArray[np.int32]


def prepare_rows(
    space: Space, keys: Keys, vectors: npt.NDArray[Any], texts: Sequence[str], n_tokens: npt.NDArray[np.integer[Any]]
) -> Rows:
    """Return the rows cast to the space's precision, sorted, and with the lowest row hash where a key repeats."""
    n = len(texts)
    if keys.shape != (n, KEY_BYTES) or vectors.shape != (n, space.dim) or len(n_tokens) != n or n == 0:
        msg = (
            f"a segment needs one key, vector and token count per text: found {n} texts, keys {keys.shape}, "
            f"vectors {vectors.shape}, {len(n_tokens)} token counts; expected vectors of dimension {space.dim}"
        )
        raise EncodingError(msg)
    stored = _cast(vectors, space, texts)
    row_sha = row_hashes(stored)
    tokens = np.asarray(n_tokens, np.int32)
    order = np.arange(n)
    return lowest_rows(Rows(keys=keys, vectors=stored, order=order, row_sha=row_sha, texts=texts, n_tokens=tokens))


def lowest_rows(rows: Rows) -> Rows:
    """Return the rows sorted by key, each key once, with the lowest row hash."""
    order = key_order(rows.keys, rows.row_sha)
    ordered = rows.keys[order]
    first = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    order = order[first]
    return Rows(
        keys=rows.keys[order],
        vectors=rows.vectors,
        order=rows.order[order],
        row_sha=rows.row_sha[order],
        texts=[rows.texts[row] for row in order.tolist()],
        n_tokens=rows.n_tokens[order],
    )


def _cast(vectors: npt.NDArray[Any], space: Space, texts: Sequence[str]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.ascontiguousarray(vectors, np.dtype(space.precision))
    bad = [row for start in range(0, len(stored), BLOCK) for row in _not_finite(stored[start : start + BLOCK], start)]
    if bad:
        reason = f"do not fit {space.precision}: store float32" if np.isfinite(vectors).all() else "are NaN or infinite"
        msg = f"{len(bad)} of {len(texts)} vectors {reason}; the first belongs to the text {texts[bad[0]][:80]!r}"
        raise EncodingError(msg)
    return stored


def _not_finite(block: npt.NDArray[Any], start: int) -> list[int]:
    """Return the rows that hold NaN or infinity; block by block, for the mask of a whole segment is large."""
    bits, exponent = _EXPONENTS[block.dtype.name]
    if not len(block) or ((block.view(bits) & exponent).max() < exponent):
        return []
    found: list[int] = (start + np.flatnonzero(~np.isfinite(block).all(axis=1))).tolist()
    return found
