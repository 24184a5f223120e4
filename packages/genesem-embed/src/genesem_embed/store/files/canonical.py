"""JSON that is hashed: one value, one sequence of bytes; and its careful way back."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from genesem_embed.errors import IntegrityError

MAX_JSON_BYTES = 4_000_000
"""No metadata file of a store comes near it; a larger one is refused before it is parsed."""


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """Return `value` as UTF-8 JSON with sorted keys, no spaces and no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def parse_json(data: bytes, what: str, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Return the JSON object in `data`, which may come from a stranger.

    Raises
    ------
    IntegrityError
        Too large, nested too deep, not JSON, not an object, or a key repeated.
    """
    if len(data) > limit:
        msg = f"{what} has {len(data)} bytes; at most {limit} are read"
        raise IntegrityError(msg)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        msg = f"{what} is not JSON as a store writes it: {error}"
        raise IntegrityError(msg) from None
    if not isinstance(value, dict):
        msg = f"{what} holds a JSON {type(value).__name__}; an object is expected"
        raise IntegrityError(msg)
    return value


def is_digest(text: object) -> bool:
    """Tell whether `text` is a SHA-256 in lower-case hexadecimal."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        msg = "a key is repeated"
        raise ValueError(msg)
    return value


def _no_constant(name: str) -> None:
    msg = f"{name} is not a number"
    raise ValueError(msg)
