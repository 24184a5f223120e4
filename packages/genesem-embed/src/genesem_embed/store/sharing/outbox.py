"""Outbox: a store at a URL that takes writes; what is published is safe on this disk first, then uploaded.

No file over there is ever changed, so any number of machines write to one URL without a coordinator, as to a folder.
"""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import DownloadError, NotAStoreError, StoreError
from genesem_embed.store.files.collection import CollectionInfo
from genesem_embed.store.files.layout import COLLECTIONS, SEGMENTS, SPACES
from genesem_embed.store.files.locks import alone
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import Keys
from genesem_embed.store.sharing.address import is_read_only
from genesem_embed.store.sharing.choice import Filters, Offer
from genesem_embed.store.sharing.mirror import MirroredStore
from genesem_embed.store.sharing.push import choose_own, upload
from genesem_embed.store.space import Space
from genesem_embed.store.store import Store

OUTBOX = "outbox"


class WritableMirror(MirroredStore):
    """A remote store opened for adding; reads as `MirroredStore` does, and sees what others publish meanwhile.

    A published segment is whole in the outbox, a store in the cache folder, before its upload begins, and leaves it
    once the manifest, which goes last, is over there. An upload that fails does not stop a build: it is tried again
    with the next segment, with the collection, when the store is closed, and by the next process that adds to the URL.
    """

    def __init__(self, url: str) -> None:
        if is_read_only(url):
            msg = f"{url} can only be read; build into a path or an s3://, gs:// or az:// URL"
            raise StoreError(msg)
        super().__init__(url, "a")
        self.outbox = Store.create(self.root / OUTBOX)
        self._own = self.outbox.root

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
            else:
                self._try_flush()
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the index files; what could not be uploaded stays in the outbox for the next time."""
        self.outbox.close()
        super().close()

    def missing(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Tell for every key whether it has no vector, over there as it is now, nor in the outbox.

        While the connection is broken the last list counts; at worst a text is encoded that another machine has done.
        """
        try:
            self._relist()
        except DownloadError as error:
            warnings.warn(f"{error}; what was listed before counts for now", stacklevel=2)
        return super().missing(keys)

    def publish_segment(
        self,
        space: Space,
        keys: Keys,
        vectors: npt.NDArray[Any],
        texts: Sequence[str],
        n_tokens: npt.NDArray[np.integer[Any]],
        provenance: Mapping[str, Any],
    ) -> str:
        """Return the digest of the segment that now holds these vectors; its upload is tried at once."""
        digest = super().publish_segment(space, keys, vectors, texts, n_tokens, provenance)
        self._try_flush()
        return digest

    def publish_collection(
        self,
        name: str,
        unit: str,
        recipe: Mapping[str, Any],
        space_id: str,
        slide: Mapping[str, Any],
        ids: Sequence[str],
        keys: Keys,
        notes: Mapping[str, Any],
    ) -> CollectionInfo:
        """Return the collection, once it and all its vectors are over there."""
        self.flush()
        info = super().publish_collection(name, unit, recipe, space_id, slide, ids, keys, notes)
        self.flush()
        return info

    def flush(self) -> None:
        """Upload what the outbox holds, whoever left it there.

        Raises
        ------
        DownloadError
            The connection failed for good; what is left is uploaded by the next run.
        """
        with alone(self.root / f"{OUTBOX}.lock"):  # builders only ever add to it
            waiting = choose_own(self.outbox, Filters())
            if waiting.segments or waiting.collections:
                upload(self.outbox, self.source, waiting)
                self.offer = _joined(self.offer, waiting)
                self._clear(waiting)

    def segment_digests(self) -> list[str]:
        """Return the segments over there, and those in the outbox."""
        return sorted({*super().segment_digests(), *self.outbox.segment_digests()})

    def segment(self, digest: str) -> Segment:
        """Return a segment, from the outbox while it is there."""
        if digest not in self.offer.segments and digest not in self._segments:
            return self.outbox.segment(digest)
        return super().segment(digest)

    def _list(self) -> Offer:
        """Return what is over there; nothing at all will be made a store by the first upload."""
        try:
            return super()._list()
        except NotAStoreError:
            if self.source.names(""):
                raise
            return Offer(spaces=(), segments=(), collections=(), refs=())

    def _bring_space(self, space_id: str, path: Path) -> None:
        own = self.outbox.root / SPACES / path.name
        if own.exists():
            self.cache.write(path, own.read_bytes())
        else:
            super()._bring_space(space_id, path)

    def _try_flush(self) -> None:
        try:
            self.flush()
        except DownloadError as error:
            warnings.warn(f"{error}; what is finished waits in {self.outbox.root}", stacklevel=2)

    def _clear(self, sent: Offer) -> None:
        """Take what is over there now out of the outbox; segments go to the cache, for they may be read next."""
        for digest in sent.segments:
            here, cached = self.outbox.root / SEGMENTS / digest, self.root / SEGMENTS / digest
            cached.parent.mkdir(exist_ok=True)
            if cached.exists():
                shutil.rmtree(here)
            else:
                here.rename(cached)
        for path in sent.collections:
            described = self.outbox.root / COLLECTIONS / f"{path}.json"
            described.unlink()
            described.with_suffix(".parquet").unlink()
        self.outbox.forget(sent.segments)


def _joined(offer: Offer, sent: Offer) -> Offer:
    return Offer(
        spaces=tuple({*offer.spaces, *sent.spaces}),
        segments=tuple({*offer.segments, *sent.segments}),
        collections=tuple({*offer.collections, *sent.collections}),
        refs=(),
    )
