"""Catalog: what a store says it holds. Small JSON files and lists of names; no vector is touched."""

from pathlib import Path

from genesem_embed.errors import CollectionMissingError, IntegrityError
from genesem_embed.store.files.canonical import is_digest, sha256_hex
from genesem_embed.store.files.collection import CollectionInfo, read_collection, read_members
from genesem_embed.store.files.layout import COLLECTIONS, SEGMENTS, SPACES
from genesem_embed.store.keys import Keys
from genesem_embed.store.space import Space


class Catalog:
    """The spaces, collections and names of segments in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._spaces: dict[str, Space] = {}

    @property
    def place(self) -> str:
        """Where the store is, as it was named."""
        return str(self.root)

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
        return [read_collection(path, self.read_space) for path in paths if is_digest(path.stem)]

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
        return self._members(self.collection(collection))[0]

    def keys(self, collection: CollectionInfo | str) -> Keys:
        """Return the key of every id of a collection."""
        return self._members(self.collection(collection))[1]

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

    def segment_digests(self) -> list[str]:
        """Return the digest of every published segment."""
        try:
            names = [path.name for path in (self.root / SEGMENTS).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if is_digest(name))

    def _members(self, info: CollectionInfo) -> tuple[list[str], Keys]:
        path = self.root / COLLECTIONS / info.name / f"{info.digest}.parquet"
        return read_members(path, info.table_size, info.table_sha256, info.n)


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
