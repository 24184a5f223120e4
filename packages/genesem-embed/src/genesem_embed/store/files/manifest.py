"""Manifest: what a segment says about itself, and the names of its files; its hash is the segment's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from genesem_embed.errors import IntegrityError, StoreVersionError
from genesem_embed.store.files.arrays import METADATA, SHARD
from genesem_embed.store.files.canonical import canonical_json, is_digest, parse_json
from genesem_embed.store.files.disk import Written
from genesem_embed.store.files.layout import VERSION
from genesem_embed.store.space import MAX_DIM, Precision

MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"
GROUP = "vectors.zarr"
TEXTS = "texts.parquet"
ARRAYS = ("vectors", "keys", "row_sha")
FILES = frozenset(
    {TEXTS, f"{GROUP}/{METADATA}"} | {f"{GROUP}/{name}/{part}" for name in ARRAYS for part in (METADATA, SHARD)}
)
MAX_MANIFEST_BYTES = 16_384
MAX_ROWS = 2**31 - 1
MAX_FILE_BYTES = 2**50


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


def manifest_json(space_id: str, shape: tuple[int, ...], dtype: str, written: Mapping[str, Written]) -> bytes:
    """Return the manifest of vectors of this shape and of the files that hold them."""
    files = {path: {"size": file.size, "sha256": file.sha256} for path, file in written.items()}
    content = {"format": VERSION, "space": space_id, "rows": shape[0], "dim": shape[1], "dtype": dtype, "files": files}
    return canonical_json(content)


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
    if value["dtype"] not in get_args(Precision):
        return f"declares dtype {value['dtype']!r}; expected one of {', '.join(get_args(Precision))}"
    files = value["files"]
    if not isinstance(files, dict) or set(files) != FILES:
        return "does not list exactly the files of a segment"
    for file in files.values():
        if not isinstance(file, dict) or set(file) != {"size", "sha256"} or not is_digest(file["sha256"]):
            return "lists a file without its size and sha256"
        if not _is_count(file["size"], MAX_FILE_BYTES):
            return f"lists a file of size {file['size']!r}"
    return ""


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
