"""Segment: an immutable batch of vectors of one space, in a folder named by the hash of its manifest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.arrays import METADATA, StoredArray, write_array
from genesem_embed.store.files.canonical import canonical_json, sha256_hex
from genesem_embed.store.files.disk import read_facts, write_file
from genesem_embed.store.files.manifest import (
    GROUP,
    MANIFEST,
    PROVENANCE,
    TEXTS,
    Manifest,
    manifest_json,
    parse_manifest,
)
from genesem_embed.store.files.rows import Rows
from genesem_embed.store.files.sealed import sealed_json, unseal_json
from genesem_embed.store.files.texts_table import write_texts
from genesem_embed.store.keys import KEY_BYTES

VECTOR_CHUNK_ROWS = 256
KEY_CHUNK_ROWS = 4096

_GROUP_METADATA = canonical_json({"zarr_format": 3, "node_type": "group", "attributes": {}})


def write_segment(folder: Path, space_id: str, rows: Rows, provenance: Mapping[str, Any]) -> str:
    """Return the digest of the segment written into the empty `folder`, which publishing makes safe on disk."""
    group = folder / GROUP
    written = {f"{GROUP}/{METADATA}": write_file(_made(group) / METADATA, [_GROUP_METADATA])}
    parts = {
        "vectors": write_array(group / "vectors", rows.vectors, VECTOR_CHUNK_ROWS, rows.order),
        "keys": write_array(group / "keys", rows.keys, KEY_CHUNK_ROWS),
        "row_sha": write_array(group / "row_sha", rows.row_sha, KEY_CHUNK_ROWS),
    }
    written |= {f"{GROUP}/{name}/{part}": file for name, files in parts.items() for part, file in files.items()}
    write_texts(folder / TEXTS, rows.keys, rows.texts, rows.n_tokens)
    written[TEXTS] = read_facts(folder / TEXTS)
    manifest = manifest_json(space_id, (len(rows.keys), rows.vectors.shape[1]), rows.vectors.dtype.name, written)
    write_file(folder / MANIFEST, [manifest])
    write_file(folder / PROVENANCE, [sealed_json(provenance)])
    return sha256_hex(manifest)


class Segment:
    """A published segment. Opening checks that every file is there and as long as its manifest says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digest = folder.name
        self.manifest = self._open()
        self.keys = self._array("keys", KEY_BYTES, np.uint8)
        self.row_sha = self._array("row_sha", KEY_BYTES, np.uint8)
        self.vectors = self._array("vectors", self.manifest.dim, self.manifest.dtype)

    @property
    def texts_path(self) -> Path:
        """Where the table of texts is."""
        return self.folder / TEXTS

    def provenance(self) -> dict[str, Any]:
        """Return who made the segment, when and with what."""
        path = self.folder / PROVENANCE
        return unseal_json(_read_small(path), str(path))

    def _open(self) -> Manifest:
        manifest = self._read_manifest()
        self._check_sizes(manifest)
        return manifest

    def _array(self, name: str, width: int, dtype: npt.DTypeLike) -> StoredArray:
        return StoredArray(self.folder / GROUP / name, (self.manifest.rows, width), np.dtype(dtype))

    def _read_manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        data = _read_small(path)
        if sha256_hex(data) != self.digest:
            msg = f"{path} has changed: its sha256 is not the folder's name; remove the folder and pull it again"
            raise IntegrityError(msg)
        return parse_manifest(data, str(path))

    def _check_sizes(self, manifest: Manifest) -> None:
        for name, (size, _) in manifest.files.items():
            path = self.folder / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                state = "is missing" if found is None else f"has {found} bytes, {size} were published"
                msg = f"{path} {state}; remove the segment's folder and pull or build it again"
                raise IntegrityError(msg)


def _read_small(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"{path} is missing; remove the segment's folder and pull or build it again"
        raise IntegrityError(msg) from None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
