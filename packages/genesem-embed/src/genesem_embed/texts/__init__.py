"""Slide to texts: recipes, their options and their templates."""

from genesem_embed.texts.budget import TokenBudget
from genesem_embed.texts.cells.export import export_cells
from genesem_embed.texts.cells.options import CellOptions
from genesem_embed.texts.cells.parse import parse_cell_options
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.recipes import RECIPES, Recipe, expand_options, find_recipe, make_prompts
from genesem_embed.texts.template import Template, load_template, template_names

__all__ = [
    "RECIPES",
    "CellOptions",
    "Prompts",
    "Recipe",
    "RecipeOptions",
    "Template",
    "TokenBudget",
    "expand_options",
    "export_cells",
    "find_recipe",
    "load_template",
    "make_prompts",
    "parse_cell_options",
    "template_names",
]
