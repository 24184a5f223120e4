"""Recipe `gene-summaries`: a gene is its symbol and its NCBI summary (SemST paper, "Discussion on Gene Texts")."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets.demo import demo_descriptions
from genesem_embed.errors import InputError
from genesem_embed.texts.gene_table import normalise, read_gene_table
from genesem_embed.texts.gene_texts import GeneText, best_organism, find_texts
from genesem_embed.texts.ncbi import URL
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.organisms import HUMAN, KNOWN_ORGANISMS, slide_organism, taxonomy_id
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.template import Template

VERSION = 1


def write_summaries(slide: AnnData, options: RecipeOptions, template: Template) -> Prompts:
    """Return one prompt per gene that has a text and is found in `preprocess.min_cells` spots of the slide.

    A text depends on the gene alone, never on the slide, so slides share their vectors. Variable genes are not chosen
    here: whichever of these genes a fit prefers later, its vector is there. Genes without any text are left out,
    counted and named in the notes.

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
    return Prompts(
        unit="gene",
        ids=list(found),
        users=[template.parts["user"].format(symbol=name, text=gene.text) for name, gene in found.items()],
        system=template.system,
        recipe={
            "name": "gene-summaries",
            "version": VERSION,
            **template.stamp(),
            "organism": tax_id,
            "orthologues": options.orthologues,
            "min_cells": options.preprocess.min_cells,
            "texts_sha256": _digest(found),
        },
        notes={"table": origin, **_coverage(symbols, found)},
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


def _digest(found: dict[str, GeneText]) -> str:
    lines = "".join(f"{name}\t{gene.text}\n" for name, gene in found.items())
    return hashlib.sha256(lines.encode()).hexdigest()


def _coverage(symbols: list[str], found: dict[str, GeneText]) -> dict[str, object]:
    missing = [name for name in symbols if name not in found]
    return {
        "n_genes": len(symbols),
        "by_source": dict(sorted(Counter(gene.source for gene in found.values()).items())),
        "n_without_text": len(missing),
        "without_text": missing,
        "source": {name: gene.source for name, gene in found.items()},
    }
