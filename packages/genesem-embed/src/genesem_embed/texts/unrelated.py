"""Recipe `unrelated-words`: the lists of `spot-symbols` with every gene called by two everyday words.

A control for what a language model knows about genes (SemST paper, "unrelated" semantics): which spots share how many
names, in which order, stays as it is, and no name says anything about biology.
"""

import hashlib
from collections.abc import Collection, Sequence

from anndata import AnnData

from genesem_embed.datasets.preprocess import preprocess
from genesem_embed.errors import InputError
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.symbols import list_genes
from genesem_embed.texts.template import Template

VERSION = 1


def write_unrelated(slide: AnnData, options: RecipeOptions, template: Template) -> Prompts:
    """Return one prompt per spot, with as many distinct texts as `spot-symbols` has.

    Raises
    ------
    InputError
        When the slide has too many genes to give each its own two words.
    """
    processed = preprocess(slide, options.preprocess)
    qualities, articles = (template.parts[part].split() for part in ("qualities", "articles"))
    symbols = {str(name).lower() for name in slide.var_names}
    names = everyday_names(list(processed.var_names), qualities, articles, avoided=symbols)
    stamp = {"name": "unrelated-words", "version": VERSION}
    return list_genes(processed, names, options, template, stamp)


def everyday_names(
    genes: Sequence[str], qualities: Sequence[str], articles: Sequence[str], *, avoided: Collection[str] = ()
) -> list[str]:
    """Return a different quality and article for every gene, by a hash of its upper-cased symbol.

    Where two genes meet, or a word is in `avoided` (lower case), the hash is taken again, genes in alphabetical order:
    the same genes get the same names everywhere.

    Raises
    ------
    InputError
        When there are not twice as many pairs of words as genes.
    """
    qualities, articles = ([word for word in words if word not in avoided] for words in (qualities, articles))
    if 2 * len(genes) > len(qualities) * len(articles):
        msg = (
            f"{len(genes)} genes for {len(qualities) * len(articles)} pairs of everyday words; expected at most half "
            "as many genes as pairs: lower --n-hvg"
        )
        raise InputError(msg)
    named: dict[str, str] = {}
    taken: set[str] = set()
    for gene in sorted(genes):
        attempt = 0
        while (name := _pair(gene, attempt, qualities, articles)) in taken:
            attempt += 1
        named[gene] = name
        taken.add(name)
    return [named[gene] for gene in genes]


def _pair(gene: str, attempt: int, qualities: Sequence[str], articles: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{gene.upper()}/{attempt}".encode()).digest()
    number = int.from_bytes(digest[:8], "big")
    return f"{qualities[number % len(qualities)]} {articles[number // len(qualities) % len(articles)]}"
