"""Pull: the union of a store and a source, segment by segment, each checked in quarantine before it is published."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesem_embed.errors import IntegrityError, StoreError
from genesem_embed.store.files.canonical import MAX_JSON_BYTES, sha256_hex
from genesem_embed.store.files.collection import parse_collection, read_members
from genesem_embed.store.files.disk import fsync_path, publish_file, staging
from genesem_embed.store.files.layout import COLLECTIONS, REFS, SPACES, is_name
from genesem_embed.store.sharing.choice import Filters, Offer, choose, read_collection_json, read_offer
from genesem_embed.store.sharing.quarantine import fetch_manifest, fetch_segment, quarantine, release
from genesem_embed.store.sharing.refs import parse_ref
from genesem_embed.store.sharing.source import Source, expecting, open_source
from genesem_embed.store.space import Space
from genesem_embed.store.trust.conflicts import Conflict, find_conflicts

if TYPE_CHECKING:
    from genesem_embed.store.store import Store

OnSegment = Callable[[int, int, int], None]
"""Called after each segment: segments done, segments in all, bytes moved so far."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a transfer moved, and what was there already."""

    source: str
    n_segments: int
    n_present: int
    """Segments of the choice that did not have to move."""
    n_collections: int
    n_spaces: int
    n_bytes: int
    refs: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)


def pull(
    store: "Store",
    source: Source,
    filters: Filters | None = None,
    on_segment: OnSegment = lambda done, total, n_bytes: None,
) -> Moved:
    """Return what was moved from `source` into `store`: spaces, then segments, collections, and refs last.

    Raises
    ------
    IntegrityError
        The source promises what its bytes do not keep; what had passed the checks before stays, nothing else does.
    DownloadError
        The connection failed for good; run again to go on.
    """
    filters = filters or Filters()
    store.in_place()
    while True:
        offer = read_offer(source, filters)
        try:
            return _take(store, source, offer, filters, on_segment)
        except IntegrityError:
            # A `gc` over there took segments that had been compacted: what replaced them is asked for next.
            if not source.can_list or set(offer.segments) <= set(source.segments()):
                raise


def _take(store: "Store", source: Source, offer: Offer, filters: Filters, on_segment: OnSegment) -> Moved:
    with staging(store.root) as scratch:
        chosen = choose(source, offer, filters, scratch)
    _check_refs(source, chosen, filters)
    n_spaces = sum(pull_space(store, source, space_id) for space_id in chosen.spaces)
    here = {digest for digest in set(store.segment_digests()) & set(chosen.segments) if store.rely_on([digest])}
    missing = [digest for digest in chosen.segments if digest not in here]
    n_bytes = 0
    for done, digest in enumerate(missing, start=1):
        n_bytes += _pull_segment(store, source, digest)
        on_segment(done, len(missing), n_bytes)
    n_collections = sum(_pull_collection(store, source, path) for path in chosen.collections)
    return Moved(
        source=source.place,
        n_segments=len(missing),
        n_present=len(chosen.segments) - len(missing),
        n_collections=n_collections,
        n_spaces=n_spaces,
        n_bytes=n_bytes,
        refs=tuple(_pull_refs(store, chosen, filters)),
    )


def merge(store: "Store", places: Sequence[str | Path]) -> tuple[list[Moved], list[Conflict]]:
    """Return what was moved from each place into `store`, and the keys that are now stored with different vectors."""
    moved = [pull(store, open_source(place)) for place in places]
    return moved, store.undisturbed(lambda: find_conflicts(store.segments()))


def pull_space(store: "Store", source: Source, space_id: str) -> bool:
    """Publish a space of the source, once its hash is found to be its name; False if it is here already."""
    path = store.root / SPACES / f"{space_id}.json"
    if path.exists():
        return False
    with expecting(source, f"{SPACES}/{space_id}.json"):
        data = source.read(f"{SPACES}/{space_id}.json", MAX_JSON_BYTES)
    if sha256_hex(data) != space_id:
        msg = f"{source.place}/{SPACES}/{space_id}.json has another sha256 than its name; it was refused"
        raise IntegrityError(msg)
    Space.from_json(data)
    publish_file(store.root, path, data)
    return True


def _pull_segment(store: "Store", source: Source, digest: str) -> int:
    with quarantine(store.root, digest) as folder:
        manifest = fetch_manifest(source, digest, folder)
        free = shutil.disk_usage(store.root).free
        if manifest.size > free:
            msg = f"segment {digest[:12]} has {manifest.size} bytes, {free} are free at {store.place}; make room"
            raise StoreError(msg)
        if not (store.root / SPACES / f"{manifest.space}.json").exists():
            msg = f"segment {digest[:12]} belongs to the space {manifest.space[:12]}, which the source does not list"
            raise IntegrityError(msg)
        fetch_segment(source, digest, manifest, folder)
        release(folder, store.read_space(manifest.space), store.root)
        return manifest.size


def _pull_collection(store: "Store", source: Source, path: str) -> bool:
    """Publish a collection of the source, whose vectors must all be here by now."""
    target = store.root / COLLECTIONS / f"{path}.json"
    if target.exists():
        return False
    data = read_collection_json(source, path)
    value = parse_collection(data, f"{source.place}/{COLLECTIONS}/{path}.json")
    if value["name"] != path.partition("/")[0]:
        msg = f"collection {path} is called {value['name']} inside; it was refused"
        raise IntegrityError(msg)
    store.read_space(value["space"])
    with staging(store.root) as folder:
        table = folder / "table"
        with expecting(source, f"{COLLECTIONS}/{path}.parquet"):
            source.fetch(f"{COLLECTIONS}/{path}.parquet", table, value["table"]["size"])
        fsync_path(table)
        _, keys = read_members(table, value["table"]["size"], value["table"]["sha256"], value["n"])
        if n_absent := store.count_missing(keys):
            msg = f"collection {path} was refused: {n_absent} of its {value['n']} keys have no vector at the source"
            raise IntegrityError(msg)
        target.parent.mkdir(parents=True, exist_ok=True)
        table.replace(target.with_suffix(".parquet"))
    fsync_path(target.parent.parent)
    publish_file(store.root, target, data)
    return True


def _check_refs(source: Source, chosen: Offer, filters: Filters) -> None:
    for name, data in chosen.refs:
        if not is_name(name):
            msg = f"{source.place}/{REFS} holds {name!r}, which cannot name a ref"
            raise IntegrityError(msg)
        parse_ref(data, name, f"{source.place}/{REFS}/{name}.json", filters.trust)


def _pull_refs(store: "Store", chosen: Offer, filters: Filters) -> list[str]:
    """Publish the refs that came along; a ref asked for by name replaces ours, any other only fills a free name."""
    taken = []
    for name, data in chosen.refs:
        target = store.root / REFS / f"{name}.json"
        if name == filters.ref or not target.exists():
            publish_file(store.root, target, data)
            taken.append(name)
    return taken
