"""Store: vectors at rest, found by key; a folder that any number of processes read and write at once."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from genesem_embed.store.files import layout
from genesem_embed.store.files.collection import CollectionInfo
from genesem_embed.store.files.disk import publish_file
from genesem_embed.store.files.layout import FOLDERS, STORE_FILE, check_store, store_json
from genesem_embed.store.publishing import Publishing
from genesem_embed.store.reading import Mode
from genesem_embed.store.sharing.address import is_url, local_path

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from genesem_embed.store.trust.verify import Report


class Store(Publishing):
    """A store on a local disk, or with a URL in `open` elsewhere. Nothing is read before it is asked for.

    Examples
    --------
    The vectors of a slide, one row a spot, are ``store.matrix("demo.spot-symbols")``.

    >>> import tempfile
    >>> from genesem_embed.store import text_keys
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/vectors", mode="a") as store:
    ...     store.missing(text_keys("0" * 64, ["MBP, PLP1", "GFAP"])).tolist()
    [True, True]
    """

    @classmethod
    def open(cls, place: str | Path, mode: Mode = "r") -> "Store":
        """Return the store at a path or URL, to read or (r+, a) to write; with mode "a" it is made where nothing is.

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
