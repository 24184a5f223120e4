"""Keys: what a vector is found by, made from a space id and a text."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

KEY_BYTES = 32

Keys = npt.NDArray[np.uint8]
"""Keys or row hashes, shape (n, 32)."""


def text_keys(space_id: str, texts: Sequence[str]) -> Keys:
    """Return one key per text, shape (n, 32).

    A key is the SHA-256 over two parts, each after its length in bytes as 8 big-endian bytes: the space id in
    hexadecimal, then the text in UTF-8. The lengths keep two different pairs from ever joining to the same bytes.
    """
    start = hashlib.sha256(_with_length(space_id.encode("ascii")))
    digests = bytearray()
    for text in texts:
        digest = start.copy()
        digest.update(_with_length(text.encode()))
        digests += digest.digest()
    return np.frombuffer(bytes(digests), np.uint8).reshape(-1, KEY_BYTES)


def row_hashes(vectors: npt.NDArray[np.generic]) -> Keys:
    """Return the SHA-256 of every row's little-endian bytes, shape (n, 32)."""
    rows = np.ascontiguousarray(vectors, dtype=vectors.dtype.newbyteorder("<"))
    digests = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(digests, np.uint8).reshape(-1, KEY_BYTES)


def as_bytes32(keys: Keys) -> npt.NDArray[np.void]:
    """Return the rows as opaque 32-byte values, shape (n,), which compare and sort like the bytes they are."""
    return np.ascontiguousarray(keys, dtype=np.uint8).view(f"V{KEY_BYTES}").ravel()


def key_order(keys: Keys, ties: Keys | None = None) -> npt.NDArray[np.intp]:
    """Return the order that sorts the keys by their bytes, equal ones by `ties`."""
    columns = [*words(ties)[::-1], *words(keys)[::-1]] if ties is not None else words(keys)[::-1]
    return np.lexsort(columns)


def words(keys: Keys) -> list[npt.NDArray[np.uint64]]:
    """Return the four 8-byte columns, most significant first: numbers sort far faster than bytes."""
    return list(np.ascontiguousarray(keys).view(">u8").astype(np.uint64).T)


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part
