"""Reading: vectors by their keys, out of whichever segments hold them; no reader ever waits for a writer."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import CollectionMissingError, IntegrityError
from genesem_embed.store.catalog import Catalog
from genesem_embed.store.files.collection import CollectionInfo
from genesem_embed.store.files.layout import HIDDEN, SEGMENTS, TMP
from genesem_embed.store.files.locks import freshen
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.index.gather import gather, keep_lowest
from genesem_embed.store.index.index import Index, Positions
from genesem_embed.store.keys import KEY_BYTES, Keys

Mode = Literal["r", "r+", "a"]
"""Read; write to what is there; write, and make the store if there is none."""
T = TypeVar("T")
GC_WAITS, GC_WAIT_S = 100, 0.05
RELY_AGAIN_S = 600
"""A segment that is relied on is marked so again after this time; any sensible grace time of `gc` is longer."""


class Reading(Catalog):
    """The vectors in a folder; opened with mode "a", what is found is also kept from `gc`."""

    def __init__(self, root: Path, mode: Mode) -> None:
        super().__init__(root)
        self.mode = mode
        self._index = Index(root)
        self._segments: dict[str, Segment] = {}
        self._relied_on: dict[str, float] = {}

    def close(self) -> None:
        """Let go of the index file."""
        self._index.close()

    def missing(self, keys: Keys) -> npt.NDArray[np.bool_]:
        """Tell for every key whether no vector is stored, counting what others published up to now.

        Opened with mode "a", this also marks the segments found as relied on: `gc` keeps them for its grace time.
        """
        checked = _checked(keys)
        while True:
            which, number, _ = self._indexed(lambda: self._locate(checked))
            used = [self._index.digests[at] for at in np.unique(number).tolist()]
            if self.mode == "r" or self.rely_on(used):
                break
        absent = np.ones(len(keys), bool)
        absent[which] = False
        return absent

    def get(self, keys: Keys) -> npt.NDArray[Any]:
        """Return the vectors of `keys`, in their order and the stored precision; keys may repeat.

        Raises
        ------
        CollectionMissingError
            Some keys have no vector.
        IntegrityError
            Stored bytes are missing or damaged.
        """
        checked = _checked(keys)
        return self._indexed(lambda: self._read(checked))

    def count_missing(self, keys: Keys) -> int:
        """Return how many keys have no vector; a segment that `gc` is just putting back counts as there."""
        for _ in range(GC_WAITS):
            absent = int(self.missing(keys).sum())
            if not absent or not any((self.root / TMP / HIDDEN).glob("*")):
                break
            time.sleep(GC_WAIT_S)
        return absent

    def rely_on(self, digests: Sequence[str]) -> bool:
        """Mark segments as about to be named by a collection or ref; False if `gc` took one of them meanwhile."""
        now = time.monotonic()
        due = [digest for digest in digests if now - self._relied_on.get(digest, -math.inf) > RELY_AGAIN_S]
        if not freshen(self.root / SEGMENTS / digest for digest in due):
            return False
        self._relied_on.update(dict.fromkeys(due, now))
        return True

    def matrix(self, collection: CollectionInfo | str) -> npt.NDArray[Any]:
        """Return the vectors of a collection, one row per id, in the stored precision."""
        info = self.collection(collection)
        keys = self._members(info)[1]
        return self.get(keys) if len(keys) else np.empty((0, info.space.dim), info.space.precision)

    def segment(self, digest: str) -> Segment:
        """Return the segment called `digest`; opening it checks that every file of it is there."""
        if digest not in self._segments:
            self._segments[digest] = Segment(self.root / SEGMENTS / digest)
        return self._segments[digest]

    def segments(self, digests: Sequence[str] | None = None) -> list[Segment]:
        """Return the segments called `digests`; None means all."""
        return [self.segment(digest) for digest in (self.segment_digests() if digests is None else digests)]

    def forget(self, digests: Sequence[str]) -> None:
        """Open these segments anew when they are asked for again."""
        for digest in digests:
            self._segments.pop(digest, None)

    def indexed_rows(self, digest: str) -> int:
        """Return how many rows of a segment the index holds."""
        self._refresh()
        return self._index.count(digest)

    def undisturbed(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, reading again if `gc` removed a compacted segment meanwhile."""
        while True:
            listed = self.segment_digests()
            try:
                return read()
            except IntegrityError:
                if set(listed) <= set(self.segment_digests()):
                    raise

    def _indexed(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, with the index brought up to the segments that are there now."""

        def refreshed() -> T:
            self._refresh()
            return read()

        return self.undisturbed(refreshed)

    def _read(self, keys: Keys) -> npt.NDArray[Any]:
        which, number, row = self._locate(keys)
        segments = self.segments(self._index.digests)
        which, number, row = keep_lowest(which, number, row, segments)
        if len(which) < len(keys):
            msg = (
                f"{len(keys) - len(which)} of {len(keys)} keys have no vector in {self.place}; "
                "run genesem-embed build for the slide again, or pull the rest"
            )
            raise CollectionMissingError(msg)
        return gather(keys, number, row, segments)

    def _refresh(self) -> None:
        self._index.refresh(self.segment_digests(), self._with_keys)

    def _with_keys(self, digests: Sequence[str]) -> Iterable[Segment]:
        """Return segments whose keys are about to be read."""
        return self.segments(digests)

    def _locate(self, keys: Keys) -> tuple[Positions, Positions, Positions]:
        """Return where the keys are; an index that DuckDB finds damaged is made again, for nothing is lost with it."""
        import duckdb

        try:
            return self._index.locate(keys)
        except duckdb.Error:
            self._index.discard()
            self._refresh()
            return self._index.locate(keys)


def _checked(keys: Keys) -> Keys:
    if keys.ndim != 2 or keys.shape[1] != KEY_BYTES or keys.dtype != np.uint8:
        msg = f"keys have shape {keys.shape} and dtype {keys.dtype}; expected (n, {KEY_BYTES}) and uint8"
        raise ValueError(msg)
    return np.ascontiguousarray(keys)
