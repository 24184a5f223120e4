"""Collection: for one slide, recipe and space, the ordered ids and their keys."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genesem_embed.errors import InputError, IntegrityError, StoreVersionError
from genesem_embed.store.canonical import canonical_json, is_digest, parse_json, sha256_hex
from genesem_embed.store.disk import fsync_folder, publish_file, seal_file, staging
from genesem_embed.store.keys import KEY_BYTES, Keys
from genesem_embed.store.layout import COLLECTIONS, VERSION, check_name, is_name
from genesem_embed.store.space import Space
from genesem_embed.store.texts_table import keys_from_arrow, keys_to_arrow

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
    import pyarrow.parquet as pq

    if keys.shape != (len(ids), KEY_BYTES) or len(set(ids)) != len(ids):
        msg = f"a collection needs one key per distinct id: found {len(ids)} ids ({len(set(ids))} distinct), keys {keys.shape}"
        raise InputError(msg)
    folder = root / COLLECTIONS / check_name(facts["name"], "collection")
    with staging(root) as staged:
        table = pa.Table.from_arrays([pa.array(ids, pa.string()), keys_to_arrow(keys)], schema=_schema())
        pq.write_table(table, staged / "table", compression="zstd")
        sealed = seal_file(staged / "table")
        content = {**facts, "format": VERSION, "n": len(ids), "table": {"size": sealed.size, "sha256": sealed.sha256}}
        data = canonical_json(content)
        digest = sha256_hex(data)
        folder.mkdir(parents=True, exist_ok=True)
        (staged / "table").replace(folder / f"{digest}.parquet")
    fsync_folder(folder.parent)
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
    value = parse_collection(data, str(path))
    return CollectionInfo(
        name=value["name"],
        digest=path.stem,
        unit=value["unit"],
        recipe=value["recipe"],
        space=read_space(value["space"]),
        slide=value["slide"],
        n=value["n"],
        notes=value["notes"],
        table_sha256=value["table"]["sha256"],
        table_size=value["table"]["size"],
    )


def read_table(path: Path, size: int, sha256: str, n: int) -> tuple[list[str], Keys]:
    """Return the ids and keys at `path`, once the bytes are found to be the published ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        data = path.read_bytes() if path.stat().st_size == size else b""
    except FileNotFoundError:
        msg = f"{path} is missing; build or pull the collection again"
        raise IntegrityError(msg) from None
    if sha256_hex(data) != sha256:
        msg = f"{path} has changed since it was published; build or pull the collection again"
        raise IntegrityError(msg)
    try:
        parquet = pq.ParquetFile(pa.BufferReader(data))
        if parquet.metadata.num_rows != n or not parquet.schema_arrow.equals(_schema()):
            msg = f"{path} holds {parquet.metadata.num_rows} rows of {parquet.schema_arrow.names}; expected {n} of id and key"
            raise IntegrityError(msg)
        table = parquet.read()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, IntegrityError):
            raise
        msg = f"{path} is not the Parquet table of a collection: {error}"
        raise IntegrityError(msg) from None
    return table.column("id").to_pylist(), keys_from_arrow(table.column("key"))


def _schema() -> Any:  # noqa: ANN401
    import pyarrow as pa

    return pa.schema(
        [pa.field("id", pa.string(), nullable=False), pa.field("key", pa.binary(KEY_BYTES), nullable=False)]
    )
