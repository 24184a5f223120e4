"""SQL over a store: read-only views, and no way to any other file."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesem_embed.errors import InputError, IntegrityError
from genesem_embed.store.files.texts_table import schema as texts_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from genesem_embed.store.store import Store

VIEWS = {
    "vectors": "SELECT lower(hex(key)) AS key, space, digest AS segment, row, dim, dtype "
    "FROM rows JOIN segments ON segment = id",
    "texts": "SELECT lower(hex(key)) AS key, text, n_tokens FROM texts_",
    "spaces": "SELECT * FROM spaces_",
    "collections": "SELECT * FROM collections_",
}
"""``segments`` is a table of the index itself: id, digest, space, n_rows, dim, dtype, bytes."""

_NAMES_TEXTS = re.compile("texts|query", re.IGNORECASE)
"""The view is named, or a name may be put together by `query_table`; only then the tables of texts are opened."""


def run(store: "Store", connection: "duckdb.DuckDBPyConnection", sql: str) -> "pa.Table":
    """Return the answer to one SELECT.

    Raises
    ------
    InputError
        Not one SELECT, or DuckDB refuses it.
    IntegrityError
        A segment went while the query ran; the store asks again.
    """
    import duckdb

    paths: list[Path] = []
    try:
        statements = duckdb.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            kinds = ", ".join(str(statement.type).rpartition(".")[2] for statement in statements) or "nothing"
            msg = f"query takes one SELECT; found {kinds}"
            raise InputError(msg)
        _register(store, connection)
        if _NAMES_TEXTS.search(sql):
            paths = [segment.texts_path for segment in store.segments()]
            _register_texts(connection, paths)
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        if gone := [path for path in paths if not path.exists()]:
            msg = f"{gone[0]} went while a query ran"
            raise IntegrityError(msg) from None
        first = str(error).strip().splitlines()[0]
        msg = f"the query failed: {first}; the views are {', '.join(VIEWS)}"
        raise InputError(msg) from None


def _register_texts(connection: "duckdb.DuckDBPyConnection", paths: list[Path]) -> None:
    import pyarrow.dataset as ds

    names = [str(path) for path in paths]
    if names:
        connection.register("texts_", ds.dataset(names, schema=texts_schema(), format="parquet"))


def _register(store: "Store", connection: "duckdb.DuckDBPyConnection") -> None:
    connection.register("texts_", texts_schema().empty_table())
    connection.register("spaces_", _spaces(store))
    connection.register("collections_", _collections(store))
    for name, select in VIEWS.items():
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {select}")


def _spaces(store: "Store") -> "pa.Table":

    fields = {
        "id": "string",
        "model": "string",
        "revision": "string",
        "style": "string",
        "pooling": "string",
        "layer": "int64",
        "normalise": "bool",
        "compute_dtype": "string",
        "quantization": "string",
        "precision": "string",
        "dim": "int64",
        "max_tokens": "int64",
        "truncation": "string",
        "engine": "string",
    }
    rows: list[dict[str, Any]] = [{name: getattr(space, name) for name in fields} for space in store.spaces().values()]
    return _table(fields, rows)


def _collections(store: "Store") -> "pa.Table":
    fields = {
        "name": "string",
        "digest": "string",
        "unit": "string",
        "recipe": "string",
        "space": "string",
        "slide": "string",
        "fingerprint": "string",
        "n": "int64",
    }
    rows = [
        {
            "name": info.name,
            "digest": info.digest,
            "unit": info.unit,
            "recipe": info.recipe.get("name"),
            "space": info.space.id,
            "slide": info.slide.get("name"),
            "fingerprint": info.slide.get("fingerprint"),
            "n": info.n,
        }
        for info in store.collections()
    ]
    return _table(fields, rows)


def _table(fields: dict[str, str], rows: list[dict[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in fields.items()])
    return pa.Table.from_pylist(rows, schema=schema)
