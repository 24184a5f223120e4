"""Store: vectors at rest, found by key; a folder that any number of processes read and write at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import CollectionMissingError, IntegrityError, StoreError
from genesem_embed.store import collection as collections
from genesem_embed.store.canonical import is_digest, sha256_hex
from genesem_embed.store.collection import CollectionInfo
from genesem_embed.store.disk import publish_file, publish_folder, staging
from genesem_embed.store.gather import gather, keep_lowest
from genesem_embed.store.index import Index, Positions
from genesem_embed.store.keys import KEY_BYTES, Keys
from genesem_embed.store.layout import (
    COLLECTIONS,
    FOLDERS,
    SEGMENTS,
    SPACES,
    STORE_FILE,
    check_store,
    is_store,
    store_json,
)
from genesem_embed.store.rows import prepare_rows
from genesem_embed.store.segment import Segment, write_segment
from genesem_embed.store.space import Space

if TYPE_CHECKING:
    import pyarrow as pa

    from genesem_embed.store.verify import Report

Mode = Literal["r", "a"]


class Store:
    """A store on a local disk. Nothing is read before it is asked for, and no reader ever waits for a writer.

    Examples
    --------
    >>> with Store.open("vectors") as store:  # doctest: +SKIP
    ...     matrix = store.matrix("demo.spot-symbols")
    """

    def __init__(self, root: Path, mode: Mode) -> None:
        self.root = root
        self.mode = mode
        self._index = Index(root)
        self._segments: dict[str, Segment] = {}
        self._spaces: dict[str, Space] = {}

    @classmethod
    def open(cls, place: str | Path, mode: Mode = "r") -> "Store":
        """Return the store at `place`; with mode "a" it is made if nothing is there.

        Raises
        ------
        NotAStoreError
            There is no store, or with mode "a" something else.
        StoreVersionError
            A newer genesem wrote it.
        """
        root = Path(place)
        if mode == "a" and not is_store(root) and (not root.exists() or _is_unfinished(root)):
            return cls.create(root)
        check_store(root)
        return cls(root, mode)

    @classmethod
    def create(cls, place: str | Path) -> "Store":
        """Return a new store at `place`, which must be empty or hold a store already."""
        root = Path(place)
        if not is_store(root) and root.exists() and not _is_unfinished(root):
            check_store(root)
        if not is_store(root):
            publish_file(root, root / STORE_FILE, store_json())
        check_store(root)
        return cls(root, "a")

    @property
    def place(self) -> str:
        """Where the store is, as it was named."""
        return str(self.root)

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
        """Tell for every key whether no vector is stored, counting what others published up to now."""
        which, _, _ = self._locate(_checked(keys))
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
        keys = _checked(keys)
        which, number, row = self._locate(keys)
        segments = [self.segment(digest) for digest in self._index.digests]
        which, number, row = keep_lowest(which, number, row, segments)
        if len(which) < len(keys):
            msg = (
                f"{len(keys) - len(which)} of {len(keys)} keys have no vector in {self.place}; "
                "run genesem-embed build for the slide again, or pull the rest"
            )
            raise CollectionMissingError(msg)
        return gather(keys, number, row, segments)

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
        self._publish_space(space)
        with staging(self.root) as staged:
            digest = write_segment(staged / "segment", space.id, rows, provenance)
            publish_folder(staged / "segment", self.root / SEGMENTS / digest)
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
        if n_absent := int(self.missing(keys).sum()):
            msg = (
                f"{n_absent} of {len(keys)} keys of collection {name} have no vector yet; publish their segments first"
            )
            raise CollectionMissingError(msg)
        facts = {
            "name": name,
            "unit": unit,
            "recipe": dict(recipe),
            "space": space_id,
            "slide": dict(slide),
            "notes": dict(notes),
        }
        digest = collections.write_collection(self.root, facts, ids, keys)
        return collections.read_collection(self.root / COLLECTIONS / name / f"{digest}.json", self.read_space)

    def spaces(self) -> dict[str, Space]:
        """Return every space by id, each checked against its name."""
        names = sorted(path.stem for path in (self.root / SPACES).glob("*.json"))
        return {name: self.read_space(name) for name in names if is_digest(name)}

    def read_space(self, space_id: str) -> Space:
        """Return the space called `space_id`, once its hash is found to be its name."""
        if space_id not in self._spaces:
            self._spaces[space_id] = _read_space(self.root / SPACES / f"{space_id}.json")
        return self._spaces[space_id]

    def collections(self) -> list[CollectionInfo]:
        """Return every collection, ordered by name and digest."""
        paths = sorted((self.root / COLLECTIONS).glob("*/*.json"))
        return [collections.read_collection(path, self.read_space) for path in paths if is_digest(path.stem)]

    def find_collections(
        self, *, fingerprint: str | None = None, recipe: str | None = None, space: str | None = None
    ) -> list[CollectionInfo]:
        """Return the collections of a slide's fingerprint, a recipe's name and a space whose id starts with `space`."""
        return [
            info
            for info in self.collections()
            if (fingerprint is None or info.slide.get("fingerprint") == fingerprint)
            and (recipe is None or info.recipe.get("name") == recipe)
            and info.space.id.startswith(space or "")
        ]

    def ids(self, collection: CollectionInfo | str) -> list[str]:
        """Return the ids (spots, cells or genes) of a collection, in its order."""
        return self._table(self.collection(collection))[0]

    def keys(self, collection: CollectionInfo | str) -> Keys:
        """Return the key of every id of a collection."""
        return self._table(self.collection(collection))[1]

    def matrix(self, collection: CollectionInfo | str) -> npt.NDArray[Any]:
        """Return the vectors of a collection, one row per id, in the stored precision."""
        info = self.collection(collection)
        keys = self._table(info)[1]
        return self.get(keys) if len(keys) else np.empty((0, info.space.dim), info.space.precision)

    def collection(self, wanted: CollectionInfo | str) -> CollectionInfo:
        """Return the one collection called `wanted`: ``NAME``, ``NAME@DIGEST`` or a digest, which may be cut short."""
        if isinstance(wanted, CollectionInfo):
            return wanted
        name, _, digest = wanted.rpartition("@")
        every = self.collections()
        found = [
            info for info in every if info.name == wanted or info.digest.startswith(digest) and name in ("", info.name)
        ]
        if len(found) != 1:
            listed = ", ".join(f"{info.name}@{info.digest[:12]}" for info in found or every) or "none"
            state = "several collections are" if found else "no collection is"
            msg = f"{state} called {wanted!r} in {self.place}; choose one of: {listed}"
            raise CollectionMissingError(msg)
        return found[0]

    def segment(self, digest: str) -> Segment:
        """Return the segment called `digest`; opening it checks that every file of it is there."""
        if digest not in self._segments:
            self._segments[digest] = Segment(self.root / SEGMENTS / digest)
        return self._segments[digest]

    def segment_digests(self) -> list[str]:
        """Return the digest of every published segment."""
        try:
            names = [path.name for path in (self.root / SEGMENTS).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if is_digest(name))

    def info(self) -> dict[str, Any]:
        """Return totals of the store, by space and by collection, as plain JSON values."""
        from genesem_embed.store.listing import describe

        return describe(self)

    def ls(self) -> list[dict[str, Any]]:
        """Return one row per space, segment and collection, with its size in bytes."""
        from genesem_embed.store.listing import rows

        return rows(self)

    def verify(self, *, quick: bool = False) -> "Report":
        """Return what is damaged, missing or does not belong; `quick` looks at presence and size only."""
        from genesem_embed.store.verify import verify

        return verify(self, quick=quick)

    def query(self, sql: str) -> "pa.Table":
        """Return the answer to one SELECT over the views ``vectors``, ``texts``, ``spaces`` and ``collections``."""
        from genesem_embed.store.query import run

        self._refresh()
        with self._index.locked_connection() as connection:
            return run(self, connection, sql)

    def indexed_rows(self, digest: str) -> int:
        """Return how many rows of a segment the index holds."""
        self._refresh()
        return self._index.count(digest)

    def _refresh(self) -> None:
        self._index.refresh(self.segment_digests(), self.segment)

    def _locate(self, keys: Keys) -> tuple[Positions, Positions, Positions]:
        """Return where the keys are; an index that DuckDB finds damaged is made again, for nothing is lost with it."""
        import duckdb

        self._refresh()
        try:
            return self._index.locate(keys)
        except duckdb.Error:
            self._index.discard()
            self._refresh()
            return self._index.locate(keys)

    def _table(self, info: CollectionInfo) -> tuple[list[str], Keys]:
        path = self.root / COLLECTIONS / info.name / f"{info.digest}.parquet"
        return collections.read_members(path, info.table_size, info.table_sha256, info.n)

    def _publish_space(self, space: Space) -> None:
        path = self.root / SPACES / f"{space.id}.json"
        if not path.exists():
            publish_file(self.root, path, space.to_json())

    def _check_writable(self) -> None:
        if self.mode != "a":
            msg = f'{self.place} was opened for reading; open it with mode "a" to publish'
            raise StoreError(msg)


def _is_unfinished(root: Path) -> bool:
    """Tell whether `root` is a folder with nothing in it but what a store that is just being made can hold."""
    return root.is_dir() and {path.name for path in root.iterdir()} <= {"tmp", *FOLDERS}


def _read_space(path: Path) -> Space:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        msg = f"{path} is missing, though a segment or collection belongs to this space; pull or build again"
        raise IntegrityError(msg) from None
    if sha256_hex(data) != path.stem:
        msg = f"{path} has changed: its sha256 is not its name; remove it and pull or build again"
        raise IntegrityError(msg)
    return Space.from_json(data)


def _checked(keys: Keys) -> Keys:
    if keys.ndim != 2 or keys.shape[1] != KEY_BYTES or keys.dtype != np.uint8:
        msg = f"keys have shape {keys.shape} and dtype {keys.dtype}; expected (n, {KEY_BYTES}) and uint8"
        raise ValueError(msg)
    return np.ascontiguousarray(keys)
