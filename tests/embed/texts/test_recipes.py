import pytest

from genesem_embed.errors import UnknownNameError
from genesem_embed.texts import RecipeOptions, find_recipe, make_prompts


def test_default_models_are_the_papers():
    assert find_recipe("spot-symbols").default_model == "Qwen/Qwen3-4B"
    assert find_recipe("gene-summaries").default_model == "Qwen/Qwen3-Embedding-4B"


def test_unknown_recipe_names_the_nearest(tiny_slide):
    with pytest.raises(UnknownNameError, match="did you mean spot-symbols"):
        make_prompts(tiny_slide, "spot-symbol", options=RecipeOptions())
