"""Mirror: a store at a URL, opened for reading; what is asked for is pulled into the cache folder and read there."""

from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.folders import cache_dir
from genesem_embed.store.files.canonical import sha256_hex
from genesem_embed.store.files.collection import CollectionInfo, describe_collection
from genesem_embed.store.keys import Keys
from genesem_embed.store.sharing.choice import Filters, read_collection_json, read_offer
from genesem_embed.store.sharing.pull import pull, pull_space
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.space import Space
from genesem_embed.store.store import Store


class MirroredStore(Store):
    """A remote store. Opening reads what it lists; a collection's vectors move when the collection is first read.

    Whatever needs all keys (`get`, `missing`, `info`, `ls`, `query`, `verify`) pulls all vectors first. Everything that
    moves passes the checks of a pull, and stays in the cache folder for the next time.
    """

    def __init__(self, url: str, ref: str = "") -> None:
        source = RemoteSource(url)
        filters = Filters(ref=ref)
        self._offer = read_offer(source, filters)
        self._source = source
        self._filters = filters
        self._local = Store.create(cache_dir() / "mirrors" / sha256_hex(source.place.encode())[:32])
        self._here: set[str] = set()
        self._described: dict[str, CollectionInfo] = {}
        super().__init__(self._local.root, "r")

    @property
    def place(self) -> str:
        """The URL."""
        return self._source.place

    def close(self) -> None:
        """Let go of the mirror's index."""
        self._local.close()
        super().close()

    def spaces(self) -> dict[str, Space]:
        """Return every space that the remote store lists."""
        return {space_id: self.read_space(space_id) for space_id in self._offer.spaces}

    def read_space(self, space_id: str) -> Space:
        """Return a space, fetched when first asked for."""
        pull_space(self._local, self._source, space_id)
        return super().read_space(space_id)

    def collections(self) -> list[CollectionInfo]:
        """Return every collection that the remote store lists; their vectors stay where they are."""
        for path in set(self._offer.collections) - set(self._described):
            data = read_collection_json(self._source, path)
            self._described[path] = describe_collection(data, path, self.read_space)
        return [self._described[path] for path in sorted(self._offer.collections)]

    def segment_digests(self) -> list[str]:
        """Return the segments that the remote store lists, once all of them are here."""
        self._bring()
        return sorted(self._offer.segments)

    def missing(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Tell for every key whether the remote store has no vector of it."""
        self._bring()
        return self._local.missing(keys)

    def get(self, keys: Keys) -> npt.NDArray[Any]:
        """Return the vectors of `keys`."""
        self._bring()
        return self._local.get(keys)

    def matrix(self, collection: CollectionInfo | str) -> npt.NDArray[Any]:
        """Return the vectors of a collection; only the segments that hold them are pulled."""
        info = self.collection(collection)
        self._bring(info.name)
        return self._local.matrix(info)

    def _members(self, info: CollectionInfo) -> tuple[list[str], Keys]:
        self._bring(info.name)
        return super()._members(info)

    def _bring(self, collection: str = "") -> None:
        """Pull what a collection needs, or everything, unless it was pulled through this object before."""
        if not {"", collection} & self._here:
            pull(self._local, self._source, Filters(ref=self._filters.ref, collection=collection))
            self._here.add(collection)
