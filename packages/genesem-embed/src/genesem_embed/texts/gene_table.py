"""Gene texts as one table, wherever they come from: NCBI's files, a table of the user's, or the demo's own."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from genesem_embed.errors import InputError
from genesem_embed.texts.ncbi import read_ncbi

COLUMNS = ("tax_id", "symbol", "synonyms", "description", "summary")
_FORMATS = (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz")


def read_gene_table(path: Path, tax_ids: Iterable[int] | None = None) -> pd.DataFrame:
    """Return the columns tax_id, symbol, synonyms, description and summary; what is missing is an empty string.

    Parameters
    ----------
    path
        A folder with NCBI's `gene_info` and `gene_summary`, or a parquet, csv or tsv file with a column `symbol` and at
        least one of `description` and `summary`. Without a column `tax_id`, every row counts for any organism (0).
    tax_ids
        Organisms to keep; None keeps all.

    Raises
    ------
    InputError
        There is no such file, it cannot be read, or it lacks the columns.
    """
    if not path.exists():
        msg = f"no gene table at {path}; give --gene-table a folder with NCBI's files, or a parquet, csv or tsv file"
        raise InputError(msg)
    table = read_ncbi(path, tax_ids) if path.is_dir() else _read_file(path)
    if "symbol" not in table or not {"description", "summary"} & set(table):
        msg = (
            f"{path} has the columns {', '.join(map(str, table.columns))}; expected symbol and at least one of "
            "description and summary: rename them"
        )
        raise InputError(msg)
    return normalise(table)


def normalise(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` with exactly `COLUMNS`: texts on one line, nothing missing."""
    table = table.reindex(columns=list(COLUMNS))
    tax_id = pd.to_numeric(table["tax_id"], errors="coerce").fillna(0).astype(int)
    texts = {
        name: table[name].astype(object).where(table[name].notna(), "").astype(str).str.split().str.join(" ")
        for name in COLUMNS[1:]
    }
    return pd.DataFrame({"tax_id": tax_id, **texts})


def _read_file(path: Path) -> pd.DataFrame:
    if not path.name.endswith(_FORMATS):
        msg = f"{path.name} is no gene table; expected a folder with NCBI's files or one of {', '.join(_FORMATS)}"
        raise InputError(msg)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        separator = "\t" if ".tsv" in path.suffixes else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (ValueError, OSError, EOFError) as error:
        msg = f"{path} cannot be read: {error}; write it again as parquet, csv or tsv"
        raise InputError(msg) from error
