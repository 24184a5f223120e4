import numpy as np
import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts import RecipeOptions, load_template, make_prompts
from genesem_embed.texts.unrelated import everyday_names


@pytest.fixture(scope="module")
def both(demo_slide):
    options = RecipeOptions(top_genes=10)
    return [make_prompts(demo_slide, name, options=options) for name in ("spot-symbols", "unrelated-words")]


def listed(prompts):
    return [text[text.index(": ") + 2 : -1].split(", ") for text in prompts.users]


def test_as_many_distinct_texts_as_the_symbols_have(both):
    symbols, words = both
    assert words.ids == symbols.ids
    assert len(set(words.users)) == len(set(symbols.users)) > 1000
    assert [len(names) for names in listed(words)] == [len(names) for names in listed(symbols)]
    # the pattern of who shares which name with whom is the same: one name stands for one gene throughout
    pairs = {pair for ours, theirs in zip(*map(listed, both), strict=True) for pair in zip(ours, theirs, strict=True)}
    assert len(pairs) == len({gene for gene, _ in pairs}) == len({name for _, name in pairs})


def test_no_gene_symbol_appears(both, demo_slide):
    genes = {name.lower() for name in demo_slide.var_names}
    words = {word.strip(".,:").lower() for text in both[1].users for word in text.split()}
    assert not words & genes
    assert "gene" not in both[1].system + both[1].users[0]


def test_a_text_is_about_as_long(both):
    symbols, words = (np.mean([len(text) for text in prompts.users]) for prompts in both)
    assert 0.3 < symbols / words < 1


def test_the_stamp_says_which_words(both):
    stamp = both[1].recipe
    assert stamp["name"] == "unrelated-words"
    assert stamp["top_genes"] == 10
    assert stamp["template_sha256"] == load_template("unrelated-words", "market").stamp()["template_sha256"]


def test_names_are_the_same_everywhere_and_whatever_the_order():
    qualities, articles = ["red", "old", "new"], ["boat", "lamp", "kite"]
    genes = ["MBP", "SNAP25", "RELN", "PCP4"]
    names = everyday_names(genes, qualities, articles)
    assert len(set(names)) == 4
    assert everyday_names(genes[::-1], qualities, articles) == names[::-1]


def test_a_name_worked_out_by_hand():
    """The first 64 bits of sha256("MBP/0") are 1 modulo 3, and a third of them 2 modulo 3 (sha256sum and bc)."""
    for spelling in ("MBP", "Mbp"):
        assert everyday_names([spelling], ["red", "old", "new"], ["boat", "lamp", "kite"]) == ["old kite"]


def test_a_word_that_is_a_symbol_is_not_used():
    names = everyday_names(["A", "B"], ["red", "old"], ["boat", "lamp", "kite"], avoided={"lamp"})
    assert not any("lamp" in name for name in names)


def test_too_many_genes_are_refused():
    with pytest.raises(InputError, match="lower --n-hvg"):
        everyday_names(["A", "B", "C"], ["red", "old"], ["boat", "lamp"])
