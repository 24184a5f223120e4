"""Checking a store at a URL: the promises that a folder's store has to keep, with every file read over there anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genesem_embed.errors import GenesemError
from genesem_embed.store.files.canonical import MAX_JSON_BYTES, sha256_hex
from genesem_embed.store.files.collection import describe_collection, read_members
from genesem_embed.store.files.disk import staging
from genesem_embed.store.files.layout import COLLECTIONS, REFS, SEGMENTS, SPACES
from genesem_embed.store.files.manifest import PROVENANCE, Manifest
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import as_bytes32
from genesem_embed.store.sharing.choice import Filters, Offer, read_collection_json, read_offer
from genesem_embed.store.sharing.quarantine import fetch_manifest, fetch_segment, problems
from genesem_embed.store.sharing.refs import parse_ref
from genesem_embed.store.sharing.source import expecting
from genesem_embed.store.trust.conflicts import find_conflicts
from genesem_embed.store.trust.verify import Problem, Report, count_absent

if TYPE_CHECKING:
    from genesem_embed.store.sharing.mirror import MirroredStore


def verify_remote(store: "MirroredStore", *, quick: bool) -> Report:
    """Return what is wrong with the store at a URL; quick looks at manifests, presence and sizes only.

    Segments pass one after the other through the cache folder's ``tmp/``, so one segment's room on disk is enough.
    Names that belong into no store are refused when the URL is opened, where the service can be listed.
    """
    offer = read_offer(store.source, Filters())
    found: list[Problem] = []
    sound: dict[str, Manifest] = {}
    keys = [np.empty(0, "V32")]
    sizes = store.source.sizes("") if quick and store.source.can_list else None
    found += [problem for space_id in offer.spaces for problem in _space(store, space_id)]
    for digest in offer.segments:
        with staging(store.root) as scratch:
            folder = scratch / digest
            folder.mkdir()
            wrong = list(_quick_segment(store, folder, sizes) if quick else _segment(store, folder))
            found += [Problem(place=f"{SEGMENTS}/{digest}", what=what) for what in wrong]
            if not wrong:
                sound[digest] = fetch_manifest(store.source, digest, folder)
                keys += [] if quick else [as_bytes32(Segment(folder).keys.read())]
    stored = None if quick else np.sort(np.concatenate(keys))
    found += [problem for path in offer.collections for problem in _collection(store, path, stored)]
    found += _refs(offer)
    return Report(
        quick=quick,
        n_segments=len(sound),
        n_vectors=sum(manifest.rows for manifest in sound.values()),
        n_collections=len(offer.collections),
        n_bytes=sum(manifest.size for manifest in sound.values()),
        problems=tuple(found),
        conflicts=() if quick else tuple(find_conflicts(store.segments(sorted(sound)))),
        notes=(),
    )


def _space(store: "MirroredStore", space_id: str) -> Iterator[Problem]:
    name = f"{SPACES}/{space_id}.json"
    try:
        with expecting(store.source, name):
            data = store.source.read(name, MAX_JSON_BYTES)
    except GenesemError as error:
        yield Problem(place=name, what=str(error))
        return
    if sha256_hex(data) != space_id:
        yield Problem(place=name, what="has another sha256 than its name")


def _segment(store: "MirroredStore", folder: Path) -> Iterator[str]:
    try:
        manifest = fetch_manifest(store.source, folder.name, folder)
        fetch_segment(store.source, folder.name, manifest, folder)
        yield from problems(folder, store.read_space(manifest.space))
    except GenesemError as error:
        yield str(error)


def _quick_segment(store: "MirroredStore", folder: Path, sizes: dict[str, int] | None) -> Iterator[str]:
    try:
        manifest = fetch_manifest(store.source, folder.name, folder)
    except GenesemError as error:
        yield str(error)
        return
    expected: dict[str, int | None] = {name: size for name, (size, _) in manifest.files.items()} | {PROVENANCE: None}
    for name, size in expected.items():
        path = f"{SEGMENTS}/{folder.name}/{name}"
        there = store.source.size(path) if sizes is None else sizes.get(path)
        if there is None:
            yield f"{name} is missing"
        elif size is not None and there != size:
            yield f"{name} has {there} bytes, {size} were published"


def _collection(
    store: "MirroredStore", path: str, stored: "np.ndarray[tuple[int], np.dtype[np.void]] | None"
) -> Iterator[Problem]:
    place = f"{COLLECTIONS}/{path}.json"
    table = f"{COLLECTIONS}/{path}.parquet"
    try:
        info = describe_collection(read_collection_json(store.source, path), place, store.read_space)
        if info.name != path.partition("/")[0]:
            yield Problem(place=place, what=f"is called {info.name}, unlike its folder")
        with staging(store.root) as scratch, expecting(store.source, table):
            store.source.fetch(table, scratch / "table", info.table_size)
            _, keys = read_members(scratch / "table", info.table_size, info.table_sha256, info.n)
    except GenesemError as error:
        yield Problem(place=place, what=str(error))
        return
    if stored is not None and (absent := count_absent(keys, stored)):
        yield Problem(place=place, what=f"{absent} of its {info.n} keys have no vector in a sound segment")


def _refs(offer: Offer) -> Iterator[Problem]:
    for name, data in offer.refs:
        place = f"{REFS}/{name}.json"
        try:
            ref = parse_ref(data, name, place)
        except GenesemError as error:
            yield Problem(place=place, what=str(error))
            continue
        for what in (SPACES, SEGMENTS, COLLECTIONS):
            if absent := sorted(set(getattr(ref, what)) - set(getattr(offer, what))):
                yield Problem(place=place, what=f"lists {len(absent)} {what} that are missing, {absent[0]} first")
