import hashlib
import json

import pytest

from genesem_embed.errors import UnknownNameError
from genesem_embed.texts.recipes import RECIPES
from genesem_embed.texts.template import load_template, template_names

PAPER_SYSTEM = (
    "You are an expert in bioinformatics. Represent the biological state of a cell characterized by the following "
    "highly expressed genes. Focus on capturing the functional essence relevant for spatial domain identification."
)


def test_paper_wording_is_the_papers():
    template = load_template("spot-symbols", "paper")
    assert template.system == PAPER_SYSTEM
    assert template.parts["user"].format(genes="A, B") == "Highly expressed genes: A, B."


def test_released_wording_is_the_papers_and_one_more_sentence():
    template = load_template("spot-symbols", "released")
    extra = template.system.removeprefix(PAPER_SYSTEM).strip()
    assert extra.count(".") == 1
    assert "dense vector" in extra
    assert template.parts["user"].format(genes="A, B") == "Highly expressed genes: A, B"


def test_unknown_template_lists_the_known():
    with pytest.raises(UnknownNameError, match="it has paper, released"):
        load_template("spot-symbols", "papre")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_has_its_default_template(recipe):
    assert RECIPES[recipe].default_template in template_names(recipe)


def test_stamp_hashes_the_wording_and_not_the_note():
    template = load_template("gene-summaries", "ncbi")
    wording = {"version": 1, "system": None, "user": "{symbol}: {text}"}
    canonical = json.dumps(wording, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert template.stamp() == {"template": "ncbi", "template_sha256": expected}
