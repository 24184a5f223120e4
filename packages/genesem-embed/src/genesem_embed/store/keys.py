"""Keys: what a vector is found by, made from a space id and a text."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

KEY_BYTES = 32
BLOCK_ROWS = 512
HASH_THREADS = 4
"""Hashing lets go of Python's lock for rows of two kilobytes and more."""

Keys = npt.NDArray[np.uint8]
"""Keys or row hashes, shape (n, 32)."""


def text_keys(space_id: str, texts: Sequence[str]) -> Keys:
    """Return one key per text, shape (n, 32).

    A key is the SHA-256 over two parts, each after its length in bytes as 8 big-endian bytes: the space id in
    hexadecimal, then the text in UTF-8. The lengths keep two different pairs from ever joining to the same bytes.

    Examples
    --------
    >>> text_keys("0" * 64, ["MBP, PLP1"]).tobytes().hex()
    '6902a989900e8a685605b41d699f3297bdf5fcd3e2b07b4c6802c16a7363054b'
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
    blocks = [rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS)]
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return np.concatenate([np.empty((0, KEY_BYTES), np.uint8), *pool.map(_hash_block, blocks)])


def _hash_block(rows: npt.NDArray[np.generic]) -> Keys:
    data = rows.view(np.uint8).ravel().data
    size = rows.shape[1] * rows.itemsize
    digests = [hashlib.sha256(data[start : start + size]).digest() for start in range(0, len(data), size)]
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, KEY_BYTES)


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
