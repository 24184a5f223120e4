"""Segment: an immutable batch of vectors of one space, in a folder named by the hash of its manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import EncodingError, IntegrityError, StoreVersionError
from genesem_embed.store import texts_table
from genesem_embed.store.arrays import METADATA, SHARD, StoredArray, write_array
from genesem_embed.store.canonical import canonical_json, is_digest, parse_json, sha256_hex
from genesem_embed.store.disk import seal_file, write_file
from genesem_embed.store.keys import KEY_BYTES, Keys, key_order, row_hashes
from genesem_embed.store.layout import VERSION
from genesem_embed.store.space import MAX_DIM, Space

MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"
GROUP = "vectors.zarr"
TEXTS = "texts.parquet"
ARRAYS = ("vectors", "keys", "row_sha")
FILES = frozenset(
    {TEXTS, f"{GROUP}/{METADATA}"} | {f"{GROUP}/{name}/{part}" for name in ARRAYS for part in (METADATA, SHARD)}
)
MAX_ROWS = 2**31 - 1

VECTOR_CHUNK_ROWS = 256
KEY_CHUNK_ROWS = 4096

_GROUP_METADATA = canonical_json({"zarr_format": 3, "node_type": "group", "attributes": {}})
_PRECISIONS: dict[str, np.dtype[Any]] = {"float16": np.dtype(np.float16), "float32": np.dtype(np.float32)}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows ready for a segment: sorted by key, each key once."""

    keys: Keys
    vectors: npt.NDArray[Any]
    row_sha: Keys
    texts: Sequence[str]
    n_tokens: npt.NDArray[np.int32]


def prepare_rows(
    space: Space, keys: Keys, vectors: npt.NDArray[Any], texts: Sequence[str], n_tokens: npt.NDArray[np.integer[Any]]
) -> Rows:
    """Return the rows cast to the space's precision, sorted, and with the lowest row hash where a key repeats."""
    n = len(texts)
    if keys.shape != (n, KEY_BYTES) or vectors.shape != (n, space.dim) or len(n_tokens) != n or n == 0:
        msg = (
            f"a segment needs one key, vector and token count per text: found {n} texts, keys {keys.shape}, "
            f"vectors {vectors.shape}, {len(n_tokens)} token counts; expected vectors of dimension {space.dim}"
        )
        raise EncodingError(msg)
    stored = _cast(vectors, space, texts)
    row_sha = row_hashes(stored)
    order = key_order(keys, row_sha)
    ordered = keys[order]
    first = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    order = order[first]
    return Rows(
        keys=keys[order],
        vectors=stored[order],
        row_sha=row_sha[order],
        texts=[texts[row] for row in order.tolist()],
        n_tokens=np.asarray(n_tokens, np.int32)[order],
    )


def write_segment(folder: Path, space_id: str, rows: Rows, provenance: Mapping[str, Any]) -> str:
    """Return the digest of the segment written into the empty `folder`, every file of it safe on disk."""
    group = folder / GROUP
    written = {f"{GROUP}/{METADATA}": write_file(_made(group) / METADATA, [_GROUP_METADATA])}
    arrays = {"vectors": rows.vectors, "keys": rows.keys, "row_sha": rows.row_sha}
    for name, array in arrays.items():
        parts = write_array(group / name, array, VECTOR_CHUNK_ROWS if name == "vectors" else KEY_CHUNK_ROWS)
        written |= {f"{GROUP}/{name}/{part}": file for part, file in parts.items()}
    texts_table.write(folder / TEXTS, rows.keys, rows.texts, rows.n_tokens)
    written[TEXTS] = seal_file(folder / TEXTS)
    manifest = canonical_json(
        {
            "format": VERSION,
            "space": space_id,
            "rows": len(rows.keys),
            "dim": int(rows.vectors.shape[1]),
            "dtype": rows.vectors.dtype.name,
            "files": {path: {"size": file.size, "sha256": file.sha256} for path, file in written.items()},
        }
    )
    write_file(folder / MANIFEST, [manifest])
    write_file(folder / PROVENANCE, [sealed_json(provenance)])
    return sha256_hex(manifest)


def sealed_json(value: Mapping[str, Any]) -> bytes:
    """Return `value` with a checksum of its own, for files that no digest covers."""
    inner = dict(value)
    return canonical_json({"content": inner, "sha256": sha256_hex(canonical_json(inner))})


def unseal_json(data: bytes, what: str) -> dict[str, Any]:
    """Return what `sealed_json` sealed, or raise `IntegrityError`."""
    value = parse_json(data, what)
    content = value.get("content")
    if set(value) != {"content", "sha256"} or not isinstance(content, dict):
        msg = f"{what} does not hold a content and its sha256"
        raise IntegrityError(msg)
    if sealed_json(content) != data:
        msg = f"{what} does not match the checksum in it; fetch the file again or remove it"
        raise IntegrityError(msg)
    return content


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a segment says about itself."""

    space: str
    rows: int
    dim: int
    dtype: str
    files: Mapping[str, tuple[int, str]]
    """Size and SHA-256 of every file, by path within the segment."""

    @property
    def size(self) -> int:
        """Bytes of all files named here."""
        return sum(size for size, _ in self.files.values())


def parse_manifest(data: bytes, what: str) -> Manifest:
    """Return the manifest in `data`, every field of it checked, for it may come from a stranger."""
    value = parse_json(data, what)
    version = value.get("format")
    if isinstance(version, int) and version > VERSION:
        msg = f"{what} has format version {version}; this genesem reads up to {VERSION}: upgrade genesem-embed"
        raise StoreVersionError(msg)
    problem = _manifest_problem(value)
    if problem or canonical_json(value) != data:
        msg = f"{what} {problem or 'is not canonical JSON'}; the segment cannot be used"
        raise IntegrityError(msg)
    files = {path: (file["size"], file["sha256"]) for path, file in value["files"].items()}
    return Manifest(space=value["space"], rows=value["rows"], dim=value["dim"], dtype=value["dtype"], files=files)


def _manifest_problem(value: Mapping[str, Any]) -> str:
    """Return what is wrong with a manifest's fields, or nothing."""
    if set(value) != {"format", "space", "rows", "dim", "dtype", "files"} or value["format"] != VERSION:
        return f"has the fields {sorted(value)}; expected format, space, rows, dim, dtype, files"
    if not is_digest(value["space"]):
        return "names no space"
    if not _is_count(value["rows"], MAX_ROWS) or not _is_count(value["dim"], MAX_DIM) or not value["rows"]:
        return f"declares {value['rows']!r} rows of dimension {value['dim']!r}"
    if value["dtype"] not in _PRECISIONS:
        return f"declares dtype {value['dtype']!r}; expected one of {', '.join(_PRECISIONS)}"
    files = value["files"]
    if not isinstance(files, dict) or set(files) != FILES:
        return "does not list exactly the files of a segment"
    for file in files.values():
        if not isinstance(file, dict) or set(file) != {"size", "sha256"} or not is_digest(file["sha256"]):
            return "lists a file without its size and sha256"
        if not _is_count(file["size"], 2**50):
            return f"lists a file of size {file['size']!r}"
    return ""


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


class Segment:
    """A published segment. Opening checks that every file is there and as long as its manifest says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.digest = folder.name
        self.manifest = self._read_manifest()
        self._check_sizes()
        shape = (self.manifest.rows, KEY_BYTES)
        dtype = _PRECISIONS[self.manifest.dtype]
        self.vectors = StoredArray(folder / GROUP / "vectors", (self.manifest.rows, self.manifest.dim), dtype)
        self.keys = StoredArray(folder / GROUP / "keys", shape, np.dtype(np.uint8))
        self.row_sha = StoredArray(folder / GROUP / "row_sha", shape, np.dtype(np.uint8))

    @cached_property
    def texts_path(self) -> Path:
        """Where the texts are."""
        return self.folder / TEXTS

    def provenance(self) -> dict[str, Any]:
        """Return who made the segment, when and with what."""
        path = self.folder / PROVENANCE
        return unseal_json(_read_small(path), str(path))

    def _read_manifest(self) -> Manifest:
        path = self.folder / MANIFEST
        data = _read_small(path)
        if sha256_hex(data) != self.digest:
            msg = f"{path} has changed: its sha256 is not the folder's name; remove the folder and pull it again"
            raise IntegrityError(msg)
        return parse_manifest(data, str(path))

    def _check_sizes(self) -> None:
        for name, (size, _) in self.manifest.files.items():
            path = self.folder / name
            found = path.stat().st_size if path.is_file() else None
            if found != size:
                state = "is missing" if found is None else f"has {found} bytes, {size} were published"
                msg = f"{path} {state}; remove the segment's folder and pull or build it again"
                raise IntegrityError(msg)


def _cast(vectors: npt.NDArray[Any], space: Space, texts: Sequence[str]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.ascontiguousarray(vectors, _PRECISIONS[space.precision])
    bad = np.flatnonzero(~np.isfinite(stored).all(axis=1))
    if len(bad):
        reason = f"do not fit {space.precision}: store float32" if np.isfinite(vectors).all() else "are NaN or infinite"
        msg = f"{len(bad)} of {len(texts)} vectors {reason}; the first belongs to the text {texts[bad[0]][:80]!r}"
        raise EncodingError(msg)
    return stored


def _read_small(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        msg = f"{path} is missing; remove the segment's folder and pull or build it again"
        raise IntegrityError(msg) from None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
