"""The recipes by name: how a slide becomes texts."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from anndata import AnnData

from genesem_embed.errors import UnknownNameError
from genesem_embed.texts.cells.cohort import has_folds
from genesem_embed.texts.cells.recipe import write_cells
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.summaries import write_summaries
from genesem_embed.texts.symbols import write_symbols
from genesem_embed.texts.template import Template, load_template
from genesem_embed.texts.unrelated import write_unrelated


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a slide becomes texts, and which model they were meant for."""

    name: str
    write: Callable[[AnnData, RecipeOptions, Template], Prompts]
    default_template: str
    default_model: str
    kind: Literal["counts", "markers"] = "counts"
    """What the matrix of the slide holds; `load_slide` checks it."""


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="spot-symbols", write=write_symbols, default_template="paper", default_model="Qwen/Qwen3-4B"),
        Recipe(name="unrelated-words", write=write_unrelated, default_template="market", default_model="Qwen/Qwen3-4B"),
        Recipe(
            name="gene-summaries",
            write=write_summaries,
            default_template="ncbi",
            default_model="Qwen/Qwen3-Embedding-4B",
        ),
        Recipe(
            name="cell-sentences",
            write=write_cells,
            default_template="context",
            default_model="Qwen/Qwen3-4B",
            kind="markers",
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`.

    Raises
    ------
    UnknownNameError
        There is none; the known ones are listed.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        msg = f"unknown recipe {name!r}; {hint}the known ones are {', '.join(RECIPES)}: choose one with --recipe"
        raise UnknownNameError(msg)
    return RECIPES[name]


def make_prompts(slide: AnnData, recipe: str, *, options: RecipeOptions) -> Prompts:
    """Return the prompts of `slide` by `recipe`; the same slide and options give the same texts everywhere.

    Raises
    ------
    UnknownNameError
        Nobody knows the recipe or the template.
    InputError
        The slide or the gene table does not give what the recipe needs.
    """
    found = find_recipe(recipe)
    template = load_template(recipe, options.template or found.default_template)
    return found.write(slide, options, template)


def expand_options(slide: AnnData, recipe: str, options: RecipeOptions) -> list[RecipeOptions]:
    """Return the options of every collection that a build of `slide` publishes: one, or one for each fold.

    Cell sentences whose scaling is fitted on training cells, or whose split is by cell, differ from fold to fold; all
    others serve every fold.
    """
    cells = options.cells
    if recipe != "cell-sentences" or cells.fold is not None or not has_folds(slide, cells):
        return [options]
    return [replace(options, cells=replace(cells, fold=fold)) for fold in range(cells.folds)]
