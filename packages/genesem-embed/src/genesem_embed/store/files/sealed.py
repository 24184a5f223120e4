"""JSON with a checksum of its own, for the few files that no digest covers: provenance and refs."""

from collections.abc import Mapping
from typing import Any

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.canonical import canonical_json, parse_json, sha256_hex


def sealed_json(value: Mapping[str, Any]) -> bytes:
    """Return `value` with a checksum of its own, for files that no digest covers."""
    inner = dict(value)
    return canonical_json({"content": inner, "sha256": sha256_hex(canonical_json(inner))})


def unseal_json(data: bytes, what: str) -> dict[str, Any]:
    """Return what `sealed_json` sealed, or raise `IntegrityError`."""
    value = parse_json(data, what)
    content = value.get("content")
    if set(value) != {"content", "sha256"} or not isinstance(content, dict):
        msg = f"{what} does not hold a content and its sha256"
        raise IntegrityError(msg)
    if sealed_json(content) != data:
        msg = f"{what} does not match the checksum in it; fetch the file again or remove it"
        raise IntegrityError(msg)
    return content
