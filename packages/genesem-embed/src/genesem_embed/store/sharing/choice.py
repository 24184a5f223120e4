"""What is to move: everything of a source, what a ref of it names, or what some collections need."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import CollectionMissingError, IntegrityError, NotAStoreError, StoreError
from genesem_embed.store.files.arrays import METADATA, SHARD, StoredArray
from genesem_embed.store.files.canonical import MAX_JSON_BYTES, is_digest, sha256_hex
from genesem_embed.store.files.collection import parse_collection, read_members
from genesem_embed.store.files.layout import COLLECTIONS, REFS, SEGMENTS, SPACES, STORE_FILE, check_version
from genesem_embed.store.files.manifest import GROUP, Manifest
from genesem_embed.store.keys import KEY_BYTES, as_bytes32
from genesem_embed.store.sharing.quarantine import fetch_file, fetch_manifest
from genesem_embed.store.sharing.refs import DEFAULT_REF, MAX_REF_BYTES, is_collection_path, parse_ref
from genesem_embed.store.sharing.source import Source, expecting

Wanted = npt.NDArray[np.void]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which part of a source is wanted; empty means all of it."""

    ref: str = ""
    collection: str = ""
    """Glob over the names of collections."""
    space: str = ""
    """Glob over space ids; ``abc*`` takes the spaces whose id starts so."""
    trust: str | None = None
    """Public key, in hexadecimal, that must have signed the ref."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a source has, or the part of it that was chosen."""

    spaces: tuple[str, ...]
    segments: tuple[str, ...]
    collections: tuple[str, ...]
    refs: tuple[tuple[str, bytes], ...]
    """Name and bytes of the refs that may be copied along."""


def read_offer(source: Source, filters: Filters, *, with_refs: bool = True) -> Offer:
    """Return what `source` lists: by the ref that was asked for, or all of it where the source can be listed.

    Parameters
    ----------
    with_refs
        False leaves the refs, which may be long lists, where they are.
    """
    try:
        check_version(source.read(STORE_FILE, MAX_JSON_BYTES), f"{source.place}/{STORE_FILE}")
    except FileNotFoundError:
        msg = f"no store at {source.place}: there is no {STORE_FILE}"
        raise NotAStoreError(msg) from None
    if filters.ref or filters.trust or not source.can_list:
        return _by_ref(source, filters.ref or DEFAULT_REF, filters.trust)
    collections = [
        f"{name}/{file.removesuffix('.json')}"
        for name in source.names(COLLECTIONS)
        for file in source.names(f"{COLLECTIONS}/{name}")
        if not file.endswith(".parquet")
    ]
    names = {
        SPACES: [name.removesuffix(".json") for name in source.names(SPACES)],
        SEGMENTS: source.segments(),
        COLLECTIONS: collections,
    }
    for folder, found in names.items():
        check = is_collection_path if folder == COLLECTIONS else is_digest
        for stranger in (name for name in found if not check(name)):
            msg = f"{source.place}/{folder} holds {stranger!r}, which does not belong into a store; nothing was taken"
            raise IntegrityError(msg)
    refs = [name.removesuffix(".json") for name in source.names(REFS)] if with_refs else []
    return Offer(
        spaces=tuple(names[SPACES]),
        segments=tuple(names[SEGMENTS]),
        collections=tuple(collections),
        refs=tuple((name, source.read(f"{REFS}/{name}.json", MAX_REF_BYTES)) for name in refs),
    )


def choose(source: Source, offer: Offer, filters: Filters, scratch: Path) -> Offer:
    """Return the part of an offer that the filters ask for.

    For some collections alone, the segments that hold their keys are found by the keys of each segment, 32 bytes a row.

    Parameters
    ----------
    scratch
        An empty folder for what has to be looked at.
    """
    if not filters.collection and not filters.space:
        return offer
    spaces = tuple(space for space in offer.spaces if fnmatchcase(space, filters.space or "*"))
    wanted: dict[str, list[Wanted]] = {}
    collections = []
    for path in offer.collections:
        if fnmatchcase(path.partition("/")[0], filters.collection or "*"):
            space, keys = _members(source, path, scratch)
            if space in spaces:
                collections.append(path)
                wanted.setdefault(space, []).append(keys)
    if filters.collection and not collections:
        known = ", ".join(sorted({path.partition("/")[0] for path in offer.collections})) or "none"
        msg = f"{source.place} has no collection that fits {filters.collection!r} in these spaces; it has: {known}"
        raise CollectionMissingError(msg)
    if not filters.collection:
        segments = [digest for digest in offer.segments if _manifest(source, digest, scratch).space in spaces]
    else:
        segments = _holding(source, offer.segments, {s: np.concatenate(parts) for s, parts in wanted.items()}, scratch)
        spaces = tuple(wanted)
    return replace(offer, spaces=spaces, segments=tuple(segments), collections=tuple(collections), refs=())


def _by_ref(source: Source, name: str, trusted: str | None) -> Offer:
    what = f"{source.place}/{REFS}/{name}.json"
    try:
        data = source.read(f"{REFS}/{name}.json", MAX_REF_BYTES)
    except FileNotFoundError:
        msg = (
            f"{what} is not there; ask for the name of a ref that was published, or publish one: genesem-embed publish"
        )
        raise StoreError(msg) from None
    ref = parse_ref(data, name, what, trusted)
    return Offer(spaces=ref.spaces, segments=ref.segments, collections=ref.collections, refs=((name, data),))


def read_collection_json(source: Source, path: str) -> bytes:
    """Return the JSON of the collection ``name/digest``, once its hash is found to be its name."""
    what = f"{source.place}/{COLLECTIONS}/{path}.json"
    with expecting(source, f"{COLLECTIONS}/{path}.json"):
        data = source.read(f"{COLLECTIONS}/{path}.json", MAX_JSON_BYTES)
    if sha256_hex(data) != path.partition("/")[2]:
        msg = f"{what} has another sha256 than its name; the source is damaged or not honest"
        raise IntegrityError(msg)
    return data


def _members(source: Source, path: str, scratch: Path) -> tuple[str, Wanted]:
    """Return the space and the keys of a collection at the source."""
    value = parse_collection(read_collection_json(source, path), path)
    target = scratch / f"{path.partition('/')[2]}.parquet"
    with expecting(source, f"{COLLECTIONS}/{path}.parquet"):
        source.fetch(f"{COLLECTIONS}/{path}.parquet", target, value["table"]["size"])
    _, keys = read_members(target, value["table"]["size"], value["table"]["sha256"], value["n"])
    return value["space"], as_bytes32(keys)


def _manifest(source: Source, digest: str, scratch: Path) -> Manifest:
    folder = scratch / digest
    folder.mkdir(exist_ok=True)
    return fetch_manifest(source, digest, folder)


def _holding(source: Source, segments: Iterable[str], wanted: dict[str, Wanted], scratch: Path) -> list[str]:
    """Return the segments that hold a wanted key."""
    chosen = []
    for digest in segments:
        manifest = _manifest(source, digest, scratch)
        if manifest.space in wanted:
            for part in (METADATA, SHARD):
                fetch_file(source, digest, f"{GROUP}/keys/{part}", manifest, scratch / digest)
            folder = scratch / digest / GROUP / "keys"
            keys = StoredArray(folder, (manifest.rows, KEY_BYTES), np.dtype(np.uint8)).read()
            if np.isin(as_bytes32(keys), wanted[manifest.space]).any():
                chosen.append(digest)
    return chosen
