"""Gene names fit for a language model: symbols rather than accession numbers, each one once."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata.utils import make_index_unique

from genesem_embed.errors import InputError

REFUSED, TOLERATED = 0.5, 0.25
"""Share of genes named by ids from which a slide is refused, and up to which nothing is said."""
_ENSEMBL = r"ENS[A-Z]{0,6}G\d{6,}(\.\d+)?"


def gene_symbols(var: pd.DataFrame, column: str) -> pd.Index:
    """Return the gene names in ``var[column]``; a gene without an entry there keeps the name it has."""
    if column not in var:
        msg = f"the slide has no var column {column!r} for --gene-symbols; it has: {', '.join(map(str, var)) or 'none'}"
        raise InputError(msg)
    symbols = var[column].astype(object)
    usable = symbols.notna() & (symbols.astype(str).str.strip() != "")
    return pd.Index(symbols.where(usable, var.index.to_numpy()).astype(str).to_numpy())


def refuse_ids(var: pd.DataFrame) -> None:
    """Refuse genes that are named by Ensembl or Entrez ids, naming the column that holds symbols if one does."""
    found = {"Ensembl": _is_ensembl(var.index), "Entrez": _is_entrez(var.index)}
    kind = max(found, key=lambda name: found[name].sum())
    share = found[kind].mean()
    if share < REFUSED:
        if share > TOLERATED:
            first = var.index[found[kind]][0]
            msg = (
                f"{found[kind].sum()} of {len(var)} genes are named by {kind} ids (first {first}) and stay so in texts"
            )
            warnings.warn(msg, UserWarning, stacklevel=3)
        return
    columns = [str(column) for column in var if _holds_symbols(var[column])]
    way_on = (
        f"give `--gene-symbols {columns[0]}`"
        if columns
        else "no var column holds symbols: add one and give `--gene-symbols COLUMN`"
    )
    msg = (
        f"the genes are named by {kind} ids ({share:.0%} of {len(var)}, first {var.index[0]}), "
        f"the texts need gene symbols: {way_on}"
    )
    raise InputError(msg)


def unique_names(names: "pd.Index[Any]", noun: str) -> "pd.Index[str]":
    """Return the names as text, made unique by -1, -2, ..., saying how many `noun` were not."""
    names = names.astype(str)
    repeated = names.duplicated()
    if not repeated.any():
        return names
    first = ", ".join(names[repeated].unique()[:5])
    msg = f"{repeated.sum()} {noun} occur more than once and were made unique by -1, -2, ...: {first}"
    warnings.warn(msg, UserWarning, stacklevel=3)
    unique: pd.Index[str] = make_index_unique(names)
    return unique


def _is_ensembl(names: pd.Index) -> npt.NDArray[np.bool_]:
    return np.asarray(names.astype(str).str.fullmatch(_ENSEMBL), dtype=bool)


def _is_entrez(names: pd.Index) -> npt.NDArray[np.bool_]:
    return np.asarray(names.astype(str).str.fullmatch(r"\d+"), dtype=bool)


def _holds_symbols(column: "pd.Series[Any]") -> bool:
    """Return whether a var column reads like gene symbols: text, mostly distinct, no Ensembl ids."""
    if not (pd.api.types.is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype)):
        return False
    values = pd.Index(column.dropna().astype(str))
    return (
        len(values) > 0.5 * len(column)
        and values.nunique() > 0.5 * len(column)
        and (_is_ensembl(values) | _is_entrez(values)).mean() < REFUSED
    )
