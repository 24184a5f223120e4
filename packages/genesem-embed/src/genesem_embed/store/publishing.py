"""Publishing: vectors and collections made known to everybody, each by one rename, for good."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import CollectionMissingError, StoreError
from genesem_embed.store.files.collection import CollectionInfo, read_collection, write_collection
from genesem_embed.store.files.disk import publish_file, publish_folder, staging
from genesem_embed.store.files.layout import COLLECTIONS, SEGMENTS, SPACES
from genesem_embed.store.files.rows import Rows, prepare_rows
from genesem_embed.store.files.segment import write_segment
from genesem_embed.store.keys import Keys
from genesem_embed.store.reading import Mode, Reading
from genesem_embed.store.space import Space


class Publishing(Reading):
    """Adds to a folder that any number of processes add to; nothing in it is ever changed."""

    def __init__(self, root: Path, mode: Mode) -> None:
        super().__init__(root, mode)
        self._own = root
        """Where what is published goes."""

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

    def _check_writable(self) -> None:
        if self.mode == "r":
            msg = f'{self.place} was opened for reading; open it with mode "a" to publish'
            raise StoreError(msg)
