"""Slide to texts: recipes, their options and their templates."""

from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.recipes import RECIPES, Recipe, find_recipe, make_prompts
from genesem_embed.texts.template import Template, load_template, template_names

__all__ = [
    "RECIPES",
    "Prompts",
    "Recipe",
    "RecipeOptions",
    "Template",
    "find_recipe",
    "load_template",
    "make_prompts",
    "template_names",
]
