"""Push: our files to a place that lacks them, each before what names it, so that no reader meets half of one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.canonical import MAX_JSON_BYTES
from genesem_embed.store.files.disk import staging
from genesem_embed.store.files.layout import COLLECTIONS, REFS, SEGMENTS, SPACES, STORE_FILE, check_version, store_json
from genesem_embed.store.files.manifest import FILES, MANIFEST, PROVENANCE
from genesem_embed.store.sharing.address import is_url, local_path
from genesem_embed.store.sharing.choice import Filters, Offer, choose, read_offer
from genesem_embed.store.sharing.pull import Moved, OnSegment, pull
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import FolderSource

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


FEW = 20
"""So many segments and collections are looked for one by one."""


def push(
    store: "Store",
    place: str | Path,
    filters: Filters | None = None,
    on_segment: OnSegment = lambda done, total, n_bytes: None,
) -> Moved:
    """Return what was moved from `store` to `place`; a path is pulled into, with every check of a pull."""
    from genesem_embed.store.store import Store

    filters = filters or Filters()
    store.in_place()
    if not is_url(place):
        with Store.open(local_path(place), mode="a") as target:
            return pull(target, FolderSource(store.root), filters, on_segment)
    return upload(store, RemoteSource(str(place)), choose_own(store, filters), on_segment)


def choose_own(store: "Store", filters: Filters) -> Offer:
    """Return the part of our own store that the filters ask for, its segments whole and kept from `gc` for a while."""
    while True:
        chosen = store.undisturbed(lambda: _choose_own(store, filters))
        if store.rely_on(chosen.segments):
            return chosen


def _choose_own(store: "Store", filters: Filters) -> Offer:
    source = FolderSource(store.in_place())
    with staging(store.root) as scratch:
        chosen = choose(source, read_offer(source, filters), filters, scratch)
    for digest in chosen.segments:
        store.segment(digest)
    return chosen


def files_of(chosen: Offer) -> Iterator[str]:
    """Yield the files of a choice in the order in which they may appear: what is named before what names it."""
    yield STORE_FILE
    yield from (f"{SPACES}/{space}.json" for space in chosen.spaces)
    for digest in chosen.segments:
        yield from (f"{SEGMENTS}/{digest}/{name}" for name in (*sorted(FILES), PROVENANCE, MANIFEST))
    for path in chosen.collections:
        yield f"{COLLECTIONS}/{path}.parquet"
        yield f"{COLLECTIONS}/{path}.json"
    yield from (f"{REFS}/{name}.json" for name, _ in chosen.refs)


def upload(
    store: "Store",
    target: RemoteSource,
    chosen: Offer,
    on_segment: OnSegment = lambda done, total, n_bytes: None,
) -> Moved:
    """Return what was uploaded of a choice; what is over there already, as long as here, does not move again."""
    present = _present(target, chosen)
    if STORE_FILE in present:
        check_version(target.read(STORE_FILE, MAX_JSON_BYTES), f"{target.place}/{STORE_FILE}")
    whole = {digest for digest in chosen.segments if f"{SEGMENTS}/{digest}/{MANIFEST}" in present}
    total = len(chosen.segments) - len(whole)
    moved: list[str] = []
    n_bytes = 0
    for name in files_of(chosen):
        size = _size(store.root / name)
        if present.get(name) == size and not name.startswith(f"{REFS}/"):
            continue
        target.write(name, store.root / name)
        moved.append(name)
        n_bytes += size
        if name.endswith(f"/{MANIFEST}"):
            on_segment(sum(done.endswith(f"/{MANIFEST}") for done in moved), total, n_bytes)
    return Moved(
        source=store.place,
        n_segments=total,
        n_present=len(whole),
        n_collections=sum(name.startswith(COLLECTIONS) and name.endswith(".json") for name in moved),
        n_spaces=sum(name.startswith(SPACES) for name in moved),
        n_bytes=n_bytes,
        refs=tuple(name for name, _ in chosen.refs),
    )


def _present(target: RemoteSource, chosen: Offer) -> dict[str, int]:
    """Return the sizes of the files of a choice over there; for a short one the store is not listed whole."""
    if not target.can_list:
        return {}
    if len(chosen.segments) + len(chosen.collections) > FEW:
        return target.sizes("")
    folders = {SPACES, *(f"{SEGMENTS}/{digest}" for digest in chosen.segments)}
    folders |= {f"{COLLECTIONS}/{path.partition('/')[0]}" for path in chosen.collections}
    found = {name: size for folder in sorted(folders) for name, size in target.sizes(folder).items()}
    return found | ({STORE_FILE: len(store_json())} if target.size(STORE_FILE) else {})


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        msg = f"{path} is missing, so it cannot be shared; run: genesem-embed verify"
        raise IntegrityError(msg) from None
