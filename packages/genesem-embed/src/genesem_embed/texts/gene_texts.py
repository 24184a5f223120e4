"""One text per gene symbol, and where it comes from."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from genesem_embed.texts.organisms import HUMAN

Row = tuple[str, str]
"""Description and summary."""


@dataclass(frozen=True, kw_only=True)
class GeneText:
    """What is said of a gene."""

    text: str
    source: str
    """summary, description or orthologue-summary; `synonym-` before it where the symbol is an old name."""


def find_texts(
    symbols: Iterable[str], table: pd.DataFrame, *, tax_id: int, orthologues: bool = False
) -> dict[str, GeneText]:
    """Return the text of every symbol that has one, in the order of `symbols`.

    A summary goes before the summary of the human gene of the same upper-cased symbol (with `orthologues`), and that
    before a description. Only a symbol that the table does not have at all is looked up among the synonyms, and only
    where it is a synonym of exactly one gene.
    """
    own = table[table["tax_id"].isin([tax_id, 0])]
    rows = _by_symbol(own)
    old_names = _by_synonym(own)
    human = _by_symbol(table[table["tax_id"] == HUMAN]) if orthologues and tax_id != HUMAN else {}
    found = {}
    for symbol in symbols:
        for text in _candidates(symbol, rows, old_names, human):
            found[symbol] = text
            break
    return found


def best_organism(symbols: Iterable[str], table: pd.DataFrame) -> int:
    """Return the organism of `table` that has the most of `symbols`, letter for letter; ties go to the lower number."""
    known = table[table["symbol"].isin(set(symbols))].drop_duplicates(["tax_id", "symbol"])
    n_known = Counter(int(tax_id) for tax_id in known["tax_id"])
    return min(n_known, key=lambda tax_id: (-n_known[tax_id], tax_id), default=HUMAN)


def _candidates(
    symbol: str, rows: dict[str, Row], old_names: dict[str, Row], human: dict[str, Row]
) -> Iterator[GeneText]:
    prefix = "" if symbol in rows else "synonym-"
    description, summary = rows.get(symbol) or old_names.get(symbol) or ("", "")
    if summary:
        yield GeneText(text=summary, source=f"{prefix}summary")
    if orthologue := human.get(symbol.upper(), ("", ""))[1]:
        yield GeneText(text=orthologue, source="orthologue-summary")
    if description:
        yield GeneText(text=description, source=f"{prefix}description")


def _by_symbol(table: pd.DataFrame) -> dict[str, Row]:
    """Return description and summary by symbol; of two rows the one with a summary, else the first, counts."""
    ordered = table.assign(bare=table["summary"] == "").sort_values("bare", kind="stable").drop_duplicates("symbol")
    return dict(zip(ordered["symbol"], zip(ordered["description"], ordered["summary"], strict=True), strict=True))


def _by_synonym(table: pd.DataFrame) -> dict[str, Row]:
    listed = table.assign(synonym=table["synonyms"].str.split("|")).explode("synonym")
    listed = listed[listed["synonym"].fillna("") != ""].drop_duplicates(["symbol", "synonym"])
    single = listed[~listed["synonym"].duplicated(keep=False)]
    return dict(zip(single["synonym"], zip(single["description"], single["summary"], strict=True), strict=True))
