"""Store: vectors at rest, found by key; a folder that any number of processes read and write at once."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import CollectionMissingError, IntegrityError, StoreError
from genesem_embed.store.catalog import Catalog
from genesem_embed.store.files import layout
from genesem_embed.store.files.collection import CollectionInfo, read_collection, write_collection
from genesem_embed.store.files.disk import freshen, publish_file, publish_folder, staging
from genesem_embed.store.files.layout import (
    COLLECTIONS,
    FOLDERS,
    HIDDEN,
    SEGMENTS,
    SPACES,
    STORE_FILE,
    TMP,
    check_store,
    store_json,
)
from genesem_embed.store.files.rows import Rows, prepare_rows
from genesem_embed.store.files.segment import Segment, write_segment
from genesem_embed.store.index.gather import gather, keep_lowest
from genesem_embed.store.index.index import Index, Positions
from genesem_embed.store.keys import KEY_BYTES, Keys
from genesem_embed.store.sharing.address import is_url, local_path
from genesem_embed.store.space import Space

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from genesem_embed.store.trust.verify import Report

Mode = Literal["r", "a"]
T = TypeVar("T")
GC_WAITS, GC_WAIT_S = 100, 0.05
RELY_AGAIN_S = 600
"""A segment that is relied on is marked so again after this time; any sensible grace time of `gc` is longer."""


class Store(Catalog):
    """A store on a local disk. Nothing is read before it is asked for, and no reader ever waits for a writer.

    Examples
    --------
    >>> with Store.open("vectors") as store:  # doctest: +SKIP
    ...     matrix = store.matrix("demo.spot-symbols")
    """

    def __init__(self, root: Path, mode: Mode) -> None:
        super().__init__(root)
        self.mode = mode
        self._index = Index(root)
        self._own = root
        """Where what is published goes."""
        self._segments: dict[str, Segment] = {}
        self._relied_on: dict[str, float] = {}

    @classmethod
    def open(cls, place: str | Path, mode: Mode = "r") -> "Store":
        """Return the store at a path or URL; with mode "a" the path is made a store if nothing is there.

        Raises
        ------
        NotAStoreError
            There is no store, or with mode "a" something else.
        StoreVersionError
            A newer genesem wrote it.
        """
        if is_url(place):
            return _open_url(str(place), mode)
        root = local_path(place)
        if mode == "a" and not is_store(root) and (not root.exists() or _is_unfinished(root)):
            return cls.create(root)
        check_store(root)
        return cls(root, mode)

    @classmethod
    def create(cls, place: str | Path) -> "Store":
        """Return a new store at `place`, which must be empty or hold a store already."""
        root = local_path(place)
        if not is_store(root) and root.exists() and not _is_unfinished(root):
            check_store(root)
        if not is_store(root):
            publish_file(root, root / STORE_FILE, store_json())
        check_store(root)
        return cls(root, "a")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

    def publish_segment(
        self,
        space: Space,
        keys: Keys,
        vectors: npt.NDArray[Any],
        texts: Sequence[str],
        n_tokens: npt.NDArray[np.integer[Any]],
        provenance: Mapping[str, Any],
    ) -> str:
        """Return the digest of the segment that now holds these vectors, for everybody and for good.

        Rows are sorted by key; where a key repeats the lowest row hash stays. Publishing the same rows twice changes
        nothing.

        Raises
        ------
        EncodingError
            A vector is not finite, or does not fit the precision of the space.
        """
        self._check_writable()
        rows = prepare_rows(space, keys, vectors, texts, n_tokens)
        path = self._own / SPACES / f"{space.id}.json"
        if not path.exists():
            publish_file(self._own, path, space.to_json())
        return self.publish_rows(space.id, rows, provenance)

    def publish_rows(self, space_id: str, rows: Rows, provenance: Mapping[str, Any]) -> str:
        """Return the digest of the segment that holds prepared rows of a space that is stored already."""
        self._check_writable()
        with staging(self._own) as staged:
            digest = write_segment(staged / "segment", space_id, rows, provenance)
            publish_folder(staged / "segment", self._own / SEGMENTS / digest)
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
        """Return the published collection; every key must have its vector already."""
        self._check_writable()
        if n_absent := self.count_missing(keys):
            msg = (
                f"{n_absent} of {len(keys)} keys of collection {name} have no vector yet; publish their segments first"
            )
            raise CollectionMissingError(msg)
        self.read_space(space_id)
        facts = {
            "name": name,
            "unit": unit,
            "recipe": dict(recipe),
            "space": space_id,
            "slide": dict(slide),
            "notes": dict(notes),
        }
        digest = write_collection(self._own, facts, ids, keys)
        return read_collection(self._own / COLLECTIONS / name / f"{digest}.json", self.read_space)

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

    def in_place(self) -> Path:
        """Return the folder of the store, for what works on its files; a store at a URL has none and says so."""
        return self.root

    def to_anndata(self, slide: "AnnData", collection: CollectionInfo | str | None = None) -> "AnnData":
        """Return `slide` with the vectors of its spots or cells in ``obsm["X_genesem"]``, aligned by their names.

        Parameters
        ----------
        collection
            Which collection; None takes the only one that was built from a slide of this name.
        """
        from genesem_embed.store.attach import attach

        return attach(self, slide, collection)

    def info(self) -> dict[str, Any]:
        """Return totals of the store, by space and by collection, as plain JSON values."""
        from genesem_embed.store.index.listing import describe

        return self.undisturbed(lambda: describe(self))

    def ls(self) -> list[dict[str, Any]]:
        """Return one row per space, segment and collection, with its size in bytes."""
        from genesem_embed.store.index.listing import rows

        return self.undisturbed(lambda: rows(self))

    def verify(self, *, quick: bool = False) -> "Report":
        """Return what is damaged, missing or does not belong; `quick` looks at presence and size only."""
        from genesem_embed.store.trust.verify import verify

        return verify(self, quick=quick)

    def query(self, sql: str) -> "pa.Table":
        """Return the answer to one SELECT over the views ``vectors``, ``texts``, ``spaces`` and ``collections``."""
        from genesem_embed.store.index.query import run

        def ask() -> "pa.Table":
            while (connection := self._index.locked_connection()) is None:
                self._index.close()
                self._refresh()
            with connection:
                return run(self, connection, sql)

        return self._indexed(ask)

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

    def _check_writable(self) -> None:
        if self.mode != "a":
            msg = f'{self.place} was opened for reading; open it with mode "a" to publish'
            raise StoreError(msg)


def is_store(place: str | Path) -> bool:
    """Tell whether there is a store at a path or URL."""
    if not is_url(place):
        return layout.is_store(place)
    from genesem_embed.store.sharing.remote import RemoteSource

    return RemoteSource(str(place)).size(STORE_FILE) is not None


def _open_url(url: str, mode: Mode) -> Store:
    from genesem_embed.store.sharing.mirror import MirroredStore
    from genesem_embed.store.sharing.outbox import WritableMirror

    return MirroredStore(url) if mode == "r" else WritableMirror(url)


def _is_unfinished(root: Path) -> bool:
    """Tell whether `root` is a folder with nothing in it but what a store that is just being made can hold."""
    return root.is_dir() and {path.name for path in root.iterdir()} <= {"tmp", *FOLDERS}


def _checked(keys: Keys) -> Keys:
    if keys.ndim != 2 or keys.shape[1] != KEY_BYTES or keys.dtype != np.uint8:
        msg = f"keys have shape {keys.shape} and dtype {keys.dtype}; expected (n, {KEY_BYTES}) and uint8"
        raise ValueError(msg)
    return np.ascontiguousarray(keys)
