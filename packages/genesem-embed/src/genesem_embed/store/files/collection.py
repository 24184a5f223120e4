"""Collection: for one slide, recipe and space, the ordered ids and their keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genesem_embed.errors import InputError, IntegrityError, StoreVersionError
from genesem_embed.store.files.canonical import canonical_json, is_digest, parse_json, sha256_hex
from genesem_embed.store.files.disk import fsync_path, hash_file, publish_file, read_facts, staging
from genesem_embed.store.files.layout import COLLECTIONS, VERSION, check_name, is_name
from genesem_embed.store.files.table import keys_from_arrow, keys_to_arrow, read_batches, write_table
from genesem_embed.store.keys import KEY_BYTES, Keys
from genesem_embed.store.space import Space

if TYPE_CHECKING:
    import pyarrow as pa

UNITS = ("spot", "gene", "cell")
_FIELDS = {"format", "name", "unit", "recipe", "space", "slide", "n", "notes", "table"}


@dataclass(frozen=True, kw_only=True)
class CollectionInfo:
    """What a collection says about itself; its ids and keys stay on disk until they are asked for."""

    name: str
    digest: str
    unit: str
    recipe: Mapping[str, Any]
    space: Space
    slide: Mapping[str, Any]
    """Name, fingerprint and size of the slide that it was built from."""
    n: int
    notes: Mapping[str, Any] = field(default_factory=dict)
    table_sha256: str
    table_size: int


def write_collection(root: Path, facts: Mapping[str, Any], ids: Sequence[str], keys: Keys) -> str:
    """Publish ids and keys as the collection that `facts` describe and return its digest; the JSON comes last."""
    import pyarrow as pa

    if keys.shape != (len(ids), KEY_BYTES) or len(set(ids)) != len(ids):
        found = f"{len(ids)} ids ({len(set(ids))} distinct), keys {keys.shape}"
        msg = f"a collection needs one key per distinct id: found {found}"
        raise InputError(msg)
    folder = root / COLLECTIONS / check_name(facts["name"], "collection")
    with staging(root) as staged:
        write_table(staged / "table", [pa.array(ids, pa.string()), keys_to_arrow(keys)], _schema())
        fsync_path(staged / "table")
        sealed = read_facts(staged / "table")
        content = {**facts, "format": VERSION, "n": len(ids), "table": {"size": sealed.size, "sha256": sealed.sha256}}
        data = canonical_json(content)
        digest = sha256_hex(data)
        folder.mkdir(parents=True, exist_ok=True)
        (staged / "table").replace(folder / f"{digest}.parquet")
    fsync_path(folder.parent)
    publish_file(root, folder / f"{digest}.json", data)
    return digest


def parse_collection(data: bytes, what: str) -> dict[str, Any]:
    """Return the fields of a collection's JSON, every one checked, for it may come from a stranger."""
    value = parse_json(data, what)
    version = value.get("format")
    if isinstance(version, int) and version > VERSION:
        msg = f"{what} has format version {version}; this genesem reads up to {VERSION}: upgrade genesem-embed"
        raise StoreVersionError(msg)
    table = value.get("table")
    sound = (
        set(value) == _FIELDS
        and canonical_json(value) == data
        and is_name(value["name"])
        and value["unit"] in UNITS
        and is_digest(value["space"])
        and isinstance(value["n"], int)
        and value["n"] >= 0
        and all(isinstance(value[name], dict) for name in ("recipe", "slide", "notes"))
        and isinstance(table, dict)
        and set(table) == {"size", "sha256"}
        and isinstance(table["size"], int)
        and is_digest(table["sha256"])
    )
    if not sound:
        msg = f"{what} does not describe a collection; expected the fields {', '.join(sorted(_FIELDS))}"
        raise IntegrityError(msg)
    return value


def read_collection(path: Path, read_space: Callable[[str], Space]) -> CollectionInfo:
    """Return the collection whose JSON is at `path`, once its hash is found to be its name."""
    data = path.read_bytes()
    if sha256_hex(data) != path.stem:
        msg = f"{path} has changed: its sha256 is not its name; remove it and build or pull it again"
        raise IntegrityError(msg)
    return describe_collection(data, str(path), read_space)


def describe_collection(data: bytes, what: str, read_space: Callable[[str], Space]) -> CollectionInfo:
    """Return the collection that its JSON describes."""
    value = parse_collection(data, what)
    return CollectionInfo(
        name=value["name"],
        digest=sha256_hex(data),
        unit=value["unit"],
        recipe=value["recipe"],
        space=read_space(value["space"]),
        slide=value["slide"],
        n=value["n"],
        notes=value["notes"],
        table_sha256=value["table"]["sha256"],
        table_size=value["table"]["size"],
    )


def read_members(path: Path, size: int, sha256: str, n: int) -> tuple[list[str], Keys]:
    """Return the ids and keys at `path`, once the bytes are found to be the published ones."""
    try:
        same = path.stat().st_size == size and hash_file(path) == sha256
    except FileNotFoundError:
        msg = f"{path} is missing; build or pull the collection again"
        raise IntegrityError(msg) from None
    if not same:
        msg = f"{path} has changed since it was published; build or pull the collection again"
        raise IntegrityError(msg)
    ids: list[str] = []
    keys = [np.empty((0, KEY_BYTES), np.uint8)]
    for batch in read_batches(path, _schema(), n):
        ids += batch.column("id").to_pylist()
        keys.append(keys_from_arrow(batch.column("key")))
    return ids, np.concatenate(keys)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    fields = [("id", pa.string()), ("key", pa.binary(KEY_BYTES))]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])
