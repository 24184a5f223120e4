"""NCBI Gene's own files: `gene_info` (symbols, descriptions) and `gene_summary` (RefSeq summaries), gzipped or not.

Both are tab-separated with one header line that begins with `#tax_id`; `-` stands for nothing. The whole of
`gene_info.gz` covers every organism, so it is read in pieces of which only the wanted organisms are kept.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from genesem_embed.errors import InputError

URL = "https://ftp.ncbi.nlm.nih.gov/gene/DATA/"
_INFO = ["#tax_id", "GeneID", "Symbol", "Synonyms", "description", "type_of_gene"]
_PIECE_ROWS = 500_000


def read_ncbi(folder: Path, tax_ids: Iterable[int] | None) -> pd.DataFrame:
    """Return tax_id, symbol, synonyms, description and summary of the genes of `tax_ids` (None: of all).

    `gene_summary` may name a gene twice; RefSeq's summary goes before any other.

    Raises
    ------
    InputError
        One of the two files is missing or has other columns.
    """
    info = _read(_only_file(folder, "gene_info"), _INFO, tax_ids)
    info = info.rename(columns={"#tax_id": "tax_id", "Symbol": "symbol", "Synonyms": "synonyms"})
    info = info[info["symbol"] != "NEWENTRY"].replace({"synonyms": {"-": ""}, "description": {"-": ""}})
    summary = _read_summaries(_only_file(folder, "gene_summary"), tax_ids)
    joined = info.merge(summary, on=["tax_id", "GeneID"], how="left")
    return joined[["tax_id", "symbol", "synonyms", "description", "summary"]].fillna({"summary": ""})


def _read_summaries(path: Path, tax_ids: Iterable[int] | None) -> pd.DataFrame:
    columns = list(pd.read_csv(path, sep="\t", nrows=0).columns)
    named = {name.lower(): name for name in columns}
    wanted = [named.get(name, name) for name in ("#tax_id", "geneid", "source", "summary")]
    table = _read(path, wanted, tax_ids)
    table.columns = pd.Index(["tax_id", "GeneID", "source", "summary"])
    table["later"] = table["source"].str.lower() != "refseq"
    best = table.sort_values("later", kind="stable").drop_duplicates(["tax_id", "GeneID"])
    return best[["tax_id", "GeneID", "summary"]]


def _read(path: Path, columns: list[str], tax_ids: Iterable[int] | None) -> pd.DataFrame:
    kept = None if tax_ids is None else set(tax_ids)
    try:
        pieces = pd.read_csv(
            path,
            sep="\t",
            usecols=columns,
            chunksize=_PIECE_ROWS,
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            dtype=dict.fromkeys(columns[2:], str),
        )
        found = [piece if kept is None else piece[piece[columns[0]].isin(kept)] for piece in pieces]
    except (ValueError, OSError, EOFError) as error:
        msg = f"{path} is not NCBI's file: {error}; expected columns {', '.join(columns)}: download it from {URL}"
        raise InputError(msg) from error
    return pd.concat(found, ignore_index=True)[columns]


def _only_file(folder: Path, kind: str) -> Path:
    found = sorted(path for path in folder.glob(f"*{kind}*") if path.suffix in {".gz", "", f".{kind}", ".tsv", ".txt"})
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        msg = f"{folder} should hold one {kind} file of NCBI, found {listed}: download {URL}{kind}.gz into it"
        raise InputError(msg)
    return found[0]
