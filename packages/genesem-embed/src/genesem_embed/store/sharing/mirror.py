"""Mirror: a store at a URL, opened for reading; what is asked for moves into the cache folder and is read there."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from genesem_embed.errors import IntegrityError, StoreError
from genesem_embed.folders import cache_dir
from genesem_embed.store.files.canonical import MAX_JSON_BYTES, is_digest, sha256_hex
from genesem_embed.store.files.collection import CollectionInfo, describe_collection, read_members
from genesem_embed.store.files.disk import staging
from genesem_embed.store.files.layout import COLLECTIONS, SPACES
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import Keys
from genesem_embed.store.reading import Mode
from genesem_embed.store.sharing.cached import Cache, CachedSegment
from genesem_embed.store.sharing.choice import Filters, Offer, read_collection_json, read_offer
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import expecting
from genesem_embed.store.space import Space
from genesem_embed.store.store import Store

if TYPE_CHECKING:
    from genesem_embed.store.trust.verify import Report

T = TypeVar("T")
CONNECTIONS = 16


class MirroredStore(Store):
    """A remote store. Opening reads what it lists (or its ref ``main``, where it cannot be listed), nothing else.

    What moves, once, into the user's cache folder (``$GENESEM_CACHE``):

    - `spaces`, `collections`: their JSON; `ids`, `keys`: the table of that collection;
    - `info`, `ls`: the manifests, two kilobytes a segment;
    - `missing`, `query`: the keys too, 32 bytes a vector; `query` the texts only if the SQL names them;
    - `get`, `matrix`, `to_anndata`: besides, of the segments that hold the vectors asked for, the row hashes (32 bytes
      a vector) and the chunks of 256 vectors that hold them, by range requests where the service has them;
    - `verify`: every file; with `quick` manifests and the list of sizes.
    """

    def __init__(self, url: str, mode: Mode = "r") -> None:
        source = RemoteSource(url)
        root = cache_dir() / "mirrors" / sha256_hex(source.place.encode())[:32]
        self.source = source
        self.cache = Cache(source=source, root=root)
        self.offer = self._list()
        self._described: dict[str, CollectionInfo] = {}
        super().__init__(root, mode)

    @property
    def place(self) -> str:
        """The URL."""
        return self.source.place

    def in_place(self) -> Path:
        """Refuse: what works on a store's own files cannot do so at a URL."""
        msg = f"{self.place} is no folder of this machine, which this needs; first: genesem-embed pull {self.place}"
        raise StoreError(msg)

    def spaces(self) -> dict[str, Space]:
        """Return every space that the remote store lists."""
        return {space_id: self.read_space(space_id) for space_id in self.offer.spaces}

    def read_space(self, space_id: str) -> Space:
        """Return a space, fetched when first asked for."""
        path = self.root / SPACES / f"{space_id}.json"
        if not path.exists():
            self._bring_space(space_id, path)
        return super().read_space(space_id)

    def collections(self) -> list[CollectionInfo]:
        """Return every collection that the remote store lists; their vectors stay where they are."""
        unknown = sorted(set(self.offer.collections) - set(self._described))
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for path, data in zip(unknown, pool.map(self._bring_collection, unknown), strict=True):
                self._described[path] = describe_collection(data, path, self.read_space)
        return [self._described[path] for path in sorted(self.offer.collections)]

    def segment_digests(self) -> list[str]:
        """Return the segments that the remote store listed when it was opened."""
        return sorted(self.offer.segments)

    def segment(self, digest: str) -> Segment:
        """Return a segment, of which the manifest alone has moved."""
        if digest not in self._segments:
            self._segments[digest] = self._checked_segment(CachedSegment(self.cache, digest))
        return self._segments[digest]

    def rely_on(self, digests: Sequence[str]) -> bool:
        """Do nothing: no `gc` runs at a URL."""
        return True

    def verify(self, *, quick: bool = False) -> "Report":
        """Return what is damaged, missing or does not belong; reads every file, with `quick` names and sizes."""
        from genesem_embed.store.trust.verify_remote import verify_remote

        return verify_remote(self, quick=quick)

    def _list(self) -> Offer:
        return read_offer(self.source, Filters(), with_refs=False)

    def _relist(self) -> bool:
        """Tell whether the remote store lists other segments than before, and take the new list."""
        before = set(self.offer.segments)
        listed = self.source.segments() if self.source.can_list else self._list().segments
        self.offer = replace(self.offer, segments=tuple(digest for digest in listed if is_digest(digest)))
        return set(self.offer.segments) != before

    def segments(self, digests: Sequence[str] | None = None) -> list[Segment]:
        """Return segments; manifests that are not here yet are fetched side by side, for each takes a round trip."""
        wanted = self.segment_digests() if digests is None else digests
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            return list(pool.map(self.segment, wanted))

    def _with_keys(self, digests: Sequence[str]) -> list[Segment]:
        segments = self.segments(digests)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda segment: segment.keys.read(0, 1), segments))
        return segments

    def undisturbed(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, reading again if segments were removed over there since they were listed."""
        try:
            return super().undisturbed(read)
        except IntegrityError:
            if not self._relist():
                raise
        return super().undisturbed(read)

    def _checked_segment(self, segment: Segment) -> Segment:
        facts, space = segment.manifest, self.read_space(segment.manifest.space)
        if (facts.dim, facts.dtype) != (space.dim, space.precision):
            held = f"{facts.dtype} of dimension {facts.dim}; its space has {space.precision} of {space.dim}"
            msg = f"segment {segment.digest[:12]} of {self.place} holds {held}; it was refused"
            raise IntegrityError(msg)
        return segment

    def _bring_collection(self, path: str) -> bytes:
        here = self.root / COLLECTIONS / f"{path}.json"
        if here.exists() and sha256_hex(data := here.read_bytes()) == here.stem:
            return data
        data = read_collection_json(self.source, path)
        self.cache.write(here, data)
        return data

    def _bring_space(self, space_id: str, path: Path) -> None:
        name = f"{SPACES}/{space_id}.json"
        with expecting(self.source, name):
            data = self.source.read(name, MAX_JSON_BYTES)
        if sha256_hex(data) != space_id:
            msg = f"{self.place}/{name} has another sha256 than its name; it was refused"
            raise IntegrityError(msg)
        self.cache.write(path, data)

    def _members(self, info: CollectionInfo) -> tuple[list[str], Keys]:
        name = f"{COLLECTIONS}/{info.name}/{info.digest}.parquet"
        path = self.root / name
        if not path.exists():
            with staging(self.root) as staged, expecting(self.source, name):
                self.source.fetch(name, staged / "table", info.table_size)
                read_members(staged / "table", info.table_size, info.table_sha256, info.n)
                path.parent.mkdir(parents=True, exist_ok=True)
                (staged / "table").replace(path)
        return super()._members(info)
