"""Recipe `gene-summaries`: a gene is its symbol and its NCBI summary (SemST paper, "Discussion on Gene Texts")."""

import hashlib
import re
from collections import Counter

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets.demo import demo_descriptions
from genesem_embed.errors import InputError
from genesem_embed.texts.budget import TokenBudget, fit_prompts
from genesem_embed.texts.gene_table import normalise, read_gene_table
from genesem_embed.texts.gene_texts import GeneText, best_organism, find_texts
from genesem_embed.texts.ncbi import URL
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.organisms import HUMAN, KNOWN_ORGANISMS, slide_organism, taxonomy_id
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.template import Template

VERSION = 1
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z\[])")


def write_summaries(slide: AnnData, options: RecipeOptions, template: Template) -> Prompts:
    """Return one prompt per gene that has a text and is found in `preprocess.min_cells` spots of the slide.

    A text depends on the gene alone, never on the slide, so slides share their vectors. Variable genes are not chosen
    here: whichever of these genes a fit prefers later, its vector is there. Genes without any text are left out,
    counted and named in the notes. A text that is too long for the model loses its last sentences, and the notes name
    the gene.

    Raises
    ------
    InputError
        There is no gene table for this slide, or none of its genes has a text there.
    """
    symbols = _frequent_symbols(slide, options.preprocess.min_cells)
    stated = options.organism or slide_organism(slide)
    table, origin = _table(slide, options, stated)
    tax_id = taxonomy_id(stated) if stated else best_organism(symbols, table)
    found = find_texts(symbols, table, tax_id=tax_id, orthologues=options.orthologues)
    if not found:
        msg = (
            f"none of the slide's {len(symbols)} genes (first: {', '.join(symbols[:5])}) has a text for organism "
            f"{tax_id} in {origin}; expected gene symbols: check --organism, --gene-table and --gene-symbols"
        )
        raise InputError(msg)
    users, shortened = _fitted(found, options.budget, template)
    return Prompts(
        unit="gene",
        ids=list(found),
        users=users,
        system=template.system,
        recipe={
            "name": "gene-summaries",
            "version": VERSION,
            **template.stamp(),
            "organism": tax_id,
            "orthologues": options.orthologues,
            "min_cells": options.preprocess.min_cells,
            "max_tokens": options.budget.max_tokens if options.budget else None,
            "texts_sha256": _digest(users),
        },
        notes={"table": origin, **_coverage(symbols, found), "shortened": shortened},
    )


def _frequent_symbols(slide: AnnData, min_cells: int) -> list[str]:
    counts = sparse.csr_matrix(slide.X)
    n_cells = np.bincount(counts.indices[counts.data > 0], minlength=slide.n_vars)
    return list(slide.var_names[n_cells >= min_cells])


def _table(slide: AnnData, options: RecipeOptions, organism: str | None) -> tuple[pd.DataFrame, str]:
    """Return the gene table and where it comes from."""
    if options.gene_table is not None:
        wanted = {taxonomy_id(organism), HUMAN} if organism else KNOWN_ORGANISMS
        return read_gene_table(options.gene_table, wanted), options.gene_table.name
    if slide.uns.get("genesem", {}).get("name") == "demo":
        table = pd.DataFrame(demo_descriptions().items(), columns=["symbol", "description"])
        return normalise(table), "the demo's own descriptions"
    msg = (
        f"gene-summaries needs a gene table: download gene_info.gz and gene_summary.gz from {URL} into a folder and "
        "give it with --gene-table, or give your own parquet, csv or tsv file"
    )
    raise InputError(msg)


def _fitted(found: dict[str, GeneText], budget: TokenBudget | None, template: Template) -> tuple[list[str], list[str]]:
    """Return the prompts, and the genes whose text lost its last sentences because the model takes no more."""
    genes = [(name, _SENTENCE_END.split(gene.text)) for name, gene in found.items()]

    def write(row: int, n_more: int) -> str:
        name, sentences = genes[row]
        return template.parts["user"].format(symbol=name, text=" ".join(sentences[: n_more + 1]))

    n_more = max(len(sentences) for _, sentences in genes) - 1
    advice = "shorten the first sentences of the gene table"
    users, kept = fit_prompts(write, len(genes), n_more, system=template.system, budget=budget, advice=advice)
    shortened = [name for (name, sentences), n in zip(genes, kept, strict=True) if len(sentences) > n + 1]
    return users, shortened


def _digest(users: list[str]) -> str:
    return hashlib.sha256("\n".join(users).encode()).hexdigest()


def _coverage(symbols: list[str], found: dict[str, GeneText]) -> dict[str, object]:
    missing = [name for name in symbols if name not in found]
    return {
        "n_genes": len(symbols),
        "by_source": dict(sorted(Counter(gene.source for gene in found.values()).items())),
        "n_without_text": len(missing),
        "without_text": missing,
        "source": {name: gene.source for name, gene in found.items()},
    }
