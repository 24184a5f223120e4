"""Rows of an export to a file or folder: Parquet, JSON lines, or a folder that Hugging Face `datasets` loads."""

import hashlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genesem_embed.errors import InputError

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("cell_name", "cell_sentence", "sample_type", "model_input", "response")),
        *((name, pa.string()) for name in ("image", "patient", "split")),
        ("neighbour_section", pa.list_(pa.string())),
        ("neighbour_name", pa.list_(pa.string())),
        ("neighbour_distance", pa.list_(pa.float64())),
        ("recipe_sha256", pa.string()),
    ]
)
_BATCH_ROWS = 10_000
_ARROW_FILE = "data-00000-of-00001.arrow"


def check_ending(path: Path) -> None:
    """Refuse a place that no format is known for, or a folder that would be written over.

    Raises
    ------
    InputError
        The ending is neither `.parquet`, `.jsonl` nor none (a folder), or the folder is there already.
    """
    if path.suffix not in {".parquet", ".jsonl", ""}:
        msg = f"cannot export to {path.name}: expected .parquet, .jsonl, or no ending for a folder of `datasets`"
        raise InputError(msg)
    if path.is_dir():
        msg = f"the folder {path} exists already; expected a new one: give another --out, or remove it"
        raise InputError(msg)


def write_rows(rows: Iterator[dict[str, Any]], path: Path, kind: str) -> int:
    """Return the number of rows written to `path`; `kind` is the ending, "" for a folder."""
    if kind == ".jsonl":
        return _write_lines(rows, path)
    if kind == ".parquet":
        with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
            return _write_tables(rows, writer)
    path.mkdir()
    with pa.ipc.new_stream(path / _ARROW_FILE, SCHEMA) as stream:
        n_rows = _write_tables(rows, stream)
    _describe(path)
    return n_rows


def _write_lines(rows: Iterator[dict[str, Any]], path: Path) -> int:
    n_rows = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            n_rows += 1
    return n_rows


def _write_tables(rows: Iterator[dict[str, Any]], writer: pq.ParquetWriter | pa.RecordBatchStreamWriter) -> int:
    n_rows = 0
    while batch := list(islice(rows, _BATCH_ROWS)):
        writer.write_table(pa.Table.from_pylist(batch, SCHEMA))
        n_rows += len(batch)
    return n_rows


def _describe(folder: Path) -> None:
    """Write the two JSON files that `datasets.load_from_disk` reads beside the data."""
    features = {field.name: _feature(field.type) for field in SCHEMA}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}, indent=2), "utf-8")
    with (folder / _ARROW_FILE).open("rb") as file:
        mark = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    state: dict[str, Any] = {
        "_data_files": [{"filename": _ARROW_FILE}],
        "_fingerprint": mark,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2), "utf-8")


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    return {"dtype": "float64" if pa.types.is_float64(kind) else "string", "_type": "Value"}
