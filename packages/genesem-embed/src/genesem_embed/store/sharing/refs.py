"""Ref: a named, published list of spaces, segments and collections; what another lab pulls."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genesem_embed.errors import IntegrityError, StoreVersionError
from genesem_embed.store.files.canonical import canonical_json, is_digest, parse_json, sha256_hex
from genesem_embed.store.files.layout import VERSION, is_name
from genesem_embed.store.trust.signatures import Signer, check_signature

DEFAULT_REF = "main"
MAX_REF_BYTES = 64_000_000
"""A list of 300,000 segments."""
_LISTS = ("spaces", "segments", "collections")


@dataclass(frozen=True, kw_only=True)
class Ref:
    """What a name stands for: digests only, so that everything it reaches is fixed by it."""

    name: str
    spaces: tuple[str, ...]
    segments: tuple[str, ...]
    collections: tuple[str, ...]
    """``name/digest`` of each."""

    def to_json(self, sign: Signer | None = None) -> bytes:
        """Return the bytes of ``refs/<name>.json``, with a signature over the content if `sign` is given."""
        content = {"format": VERSION, "name": self.name, **{what: sorted(getattr(self, what)) for what in _LISTS}}
        inner = canonical_json(content)
        return canonical_json({"content": content, "sha256": sha256_hex(inner), **(sign(inner) if sign else {})})


def parse_ref(data: bytes, name: str, what: str, trusted: str | None = None) -> Ref:
    """Return the ref in `data`, checked in full; with `trusted`, a public key, its signature too.

    Raises
    ------
    IntegrityError
        Not a ref, not of this name, changed, or not signed by the trusted key.
    """
    value = parse_json(data, what, MAX_REF_BYTES)
    content = value.get("content")
    if not isinstance(content, dict) or not set(value) <= {"content", "sha256", "public_key", "signature"}:
        msg = f"{what} is not a ref; expected content and sha256"
        raise IntegrityError(msg)
    version = content.get("format")
    if isinstance(version, int) and version > VERSION:
        msg = f"{what} has format version {version}; this genesem reads up to {VERSION}: upgrade genesem-embed"
        raise StoreVersionError(msg)
    inner = canonical_json(content)
    if value.get("sha256") != sha256_hex(inner) or canonical_json(value) != data:
        msg = f"{what} does not match the checksum in it; fetch it again"
        raise IntegrityError(msg)
    if trusted is not None:
        check_signature(value, inner, trusted, what)
    if content.get("name") != name or set(content) != {"format", "name", *_LISTS} or not _well_formed(content):
        msg = f"{what} does not list the spaces, segments and collections of a ref called {name}"
        raise IntegrityError(msg)
    return Ref(name=name, **{what: tuple(content[what]) for what in _LISTS})


def is_collection_path(path: object) -> bool:
    """Tell whether `path` is ``name/digest``."""
    name, _, digest = path.partition("/") if isinstance(path, str) else ("", "", "")
    return is_name(name) and is_digest(digest)


def _well_formed(content: Mapping[str, Any]) -> bool:
    checks = {"spaces": is_digest, "segments": is_digest, "collections": is_collection_path}
    return all(
        isinstance(content[what], list)
        and all(map(check, content[what]))
        and sorted(set(content[what])) == content[what]
        for what, check in checks.items()
    )
