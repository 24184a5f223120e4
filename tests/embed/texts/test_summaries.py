import anndata as ad
import numpy as np
import pytest

from genesem_embed.datasets.demo import demo_descriptions
from genesem_embed.datasets.preprocess import PreprocessOptions
from genesem_embed.errors import InputError
from genesem_embed.texts import RecipeOptions, TokenBudget, make_prompts

ALL_GENES = PreprocessOptions(min_cells=1)


@pytest.fixture
def table_path(gene_table, tmp_path):
    path = tmp_path / "genes.parquet"
    gene_table.to_parquet(path)
    return path


def test_symbol_colon_summary(tiny_slide, table_path):
    options = RecipeOptions(gene_table=table_path, preprocess=ALL_GENES)
    prompts = make_prompts(tiny_slide, "gene-summaries", options=options)
    assert dict(zip(prompts.ids, prompts.users, strict=True)) == {
        "MBP": "MBP: Compacts myelin.",
        "RELN": "RELN: Guides migrating neurons.",
        "PCP4": "PCP4: Purkinje cell protein 4",
    }
    assert (prompts.unit, prompts.system) == ("gene", None)


def test_notes_count_and_name_sources_and_gaps(tiny_slide, table_path):
    options = RecipeOptions(gene_table=table_path, preprocess=ALL_GENES)
    notes = make_prompts(tiny_slide, "gene-summaries", options=options).notes
    assert notes == {
        "table": "genes.parquet",
        "n_genes": 5,
        "by_source": {"description": 1, "summary": 2},
        "n_without_text": 2,
        "without_text": ["SNAP25", "XYZ1"],
        "source": {"MBP": "summary", "RELN": "summary", "PCP4": "description"},
        "shortened": [],
    }


def test_long_texts_lose_whole_sentences(tiny_slide, gene_table, tmp_path):
    long = "It binds e.g. calcium. It is short (v. 2). See the rest. [provided by RefSeq, Jul 2008]"
    gene_table.replace("Compacts myelin.", long).to_csv(tmp_path / "genes.csv", index=False)

    def prompts(max_tokens):
        budget = TokenBudget(
            max_tokens=max_tokens, count=lambda system, users: np.array([len(u.split()) for u in users])
        )
        options = RecipeOptions(gene_table=tmp_path / "genes.csv", preprocess=ALL_GENES, budget=budget)
        return make_prompts(tiny_slide, "gene-summaries", options=options)

    assert prompts(12).users[0] == "MBP: It binds e.g. calcium. It is short (v. 2)."
    assert prompts(12).notes["shortened"] == ["MBP"]
    assert prompts(99).users[0] == f"MBP: {long}"
    assert prompts(99).recipe != prompts(12).recipe
    with pytest.raises(
        InputError, match="shortest form of a text takes 5 tokens; the model takes 4: shorten the first"
    ):
        prompts(4)


def test_stamp_follows_the_used_texts_not_the_rest_of_the_table(tiny_slide, gene_table, table_path, tmp_path):
    def stamp(path, **changes):
        options = RecipeOptions(gene_table=path, preprocess=ALL_GENES, **changes)
        return make_prompts(tiny_slide, "gene-summaries", options=options).recipe

    first = stamp(table_path)
    gene_table[gene_table["tax_id"] == 9606].to_csv(tmp_path / "part.csv", index=False)
    assert stamp(tmp_path / "part.csv") == first
    gene_table.replace("Compacts myelin.", "Something else.").to_csv(tmp_path / "other.csv", index=False)
    assert stamp(tmp_path / "other.csv") != first
    assert first["organism"] == 9606


def test_organism_is_found_from_the_symbols(tiny_slide, table_path):
    tiny_slide.var_names = ["Mbp", "Snap25", "Reln", "Pcp4", "Gm1"]
    del tiny_slide.uns["genesem"]["organism"]
    options = RecipeOptions(gene_table=table_path, preprocess=ALL_GENES, orthologues=True)
    prompts = make_prompts(tiny_slide, "gene-summaries", options=options)
    assert prompts.recipe["organism"] == 10090
    assert prompts.notes["by_source"] == {"description": 1, "orthologue-summary": 1, "summary": 1}


def test_rare_genes_are_left_out(tiny_slide, table_path):
    options = RecipeOptions(gene_table=table_path, preprocess=PreprocessOptions(min_cells=2))
    assert make_prompts(tiny_slide, "gene-summaries", options=options).ids == ["MBP", "RELN"]


def test_demo_has_its_own_descriptions(demo_slide):
    prompts = make_prompts(demo_slide, "gene-summaries", options=RecipeOptions())
    assert set(prompts.ids) == set(demo_descriptions())
    assert prompts.users[0] == f"RELN: {demo_descriptions()['RELN']}"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "gene-summaries needs a gene table: download gene_info.gz"),
        ({"gene_table": "table", "organism": "zebrafish"}, "none of the slide's 5 genes .first: MBP, .* organism 7955"),
        ({"gene_table": "table", "organism": "dragon"}, "unknown organism 'dragon'; known are human"),
    ],
    ids=["no table", "wrong organism", "unknown organism"],
)
def test_what_cannot_be_done_is_said(tiny_slide, table_path, changes, message):
    if "gene_table" in changes:
        changes = changes | {"gene_table": table_path}
    with pytest.raises(InputError, match=message):
        make_prompts(tiny_slide, "gene-summaries", options=RecipeOptions(preprocess=ALL_GENES, **changes))


@pytest.mark.real
def test_mvc_gets_most_texts_with_orthologues(real_data):
    slide = ad.read_h5ad(real_data("mvc.h5ad"))
    options = RecipeOptions(gene_table=real_data("gene_text.parquet"), orthologues=True)
    prompts = make_prompts(slide, "gene-summaries", options=options)
    assert prompts.recipe["organism"] == 10090
    assert prompts.notes["n_without_text"] < 0.05 * prompts.notes["n_genes"]
    assert prompts.notes["by_source"]["orthologue-summary"] > prompts.notes["by_source"]["description"]
