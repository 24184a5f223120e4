"""Recipe `spot-symbols`: a spot is the list of its most expressed genes (SemST paper, "Prompt")."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from anndata import AnnData

from genesem_embed.datasets.preprocess import preprocess
from genesem_embed.datasets.top_genes import spot_genes
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.template import Template

VERSION = 1


def write_symbols(slide: AnnData, options: RecipeOptions, template: Template) -> Prompts:
    """Return one prompt per spot that lists its top genes, the most expressed first.

    Genes are ranked by their value after preprocessing, among the highly variable ones, as the published code does;
    unlike it, a gene without a count in the spot is never listed, and ties go by gene order. A spot without such genes
    gets the template's `empty` wording.
    """
    processed = preprocess(slide, options.preprocess)
    stamp = {"name": "spot-symbols", "version": VERSION}
    return list_genes(processed, list(processed.var_names), options, template, stamp)


def list_genes(
    processed: AnnData, names: Sequence[str], options: RecipeOptions, template: Template, stamp: dict[str, object]
) -> Prompts:
    """Return one prompt per spot that lists its top genes under `names`, one for each gene of `processed`.

    `stamp` is the recipe's name and version; whatever else decides the texts is added to it.
    """
    chosen = spot_genes(processed, options.top_genes)
    listed = np.asarray(names, dtype=object)[chosen.indices]
    n_listed = np.diff(chosen.indptr)
    return Prompts(
        unit="spot",
        ids=list(processed.obs_names),
        users=[_user(list(part), template) for part in np.split(listed, chosen.indptr[1:-1])],
        system=template.system,
        recipe={
            **stamp,
            **template.stamp(),
            "top_genes": options.top_genes,
            "preprocess": asdict(options.preprocess),
        },
        notes={
            "n_variable_genes": int(processed.n_vars),
            "n_spots_without_genes": int((n_listed == 0).sum()),
            "n_spots_with_fewer_genes": int((n_listed < options.top_genes).sum()),
        },
    )


def _user(names: list[str], template: Template) -> str:
    if not names:
        return template.parts["empty"]
    return template.parts["user"].format(genes=template.parts["separator"].join(names))
