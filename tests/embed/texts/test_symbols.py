import hashlib
import os
import subprocess
import sys

import anndata as ad
import pytest

from genesem_embed.datasets.preprocess import PreprocessOptions
from genesem_embed.texts import RecipeOptions, make_prompts

ALL_GENES = PreprocessOptions(min_cells=0)

GOLDEN = {
    "a": "Highly expressed genes: MBP, SNAP25.",
    "b": "Highly expressed genes: SNAP25, RELN.",
    "c": "Highly expressed genes: RELN, PCP4.",
    "d": "Highly expressed genes: none detected.",
}
"""Worked out by hand: counts over the spot's sum, over the gene's deviation, ties (PCP4 and XYZ1) by gene order."""


def test_texts_worked_out_by_hand(tiny_slide):
    prompts = make_prompts(tiny_slide, "spot-symbols", options=RecipeOptions(top_genes=2, preprocess=ALL_GENES))
    assert dict(zip(prompts.ids, prompts.users, strict=True)) == GOLDEN
    assert prompts.unit == "spot"
    assert prompts.system.startswith("You are an expert in bioinformatics.")
    assert prompts.notes == {"n_variable_genes": 5, "n_spots_without_genes": 1, "n_spots_with_fewer_genes": 1}


def test_released_template_changes_the_wording_alone(tiny_slide):
    options = RecipeOptions(top_genes=2, preprocess=ALL_GENES, template="released")
    prompts = make_prompts(tiny_slide, "spot-symbols", options=options)
    assert prompts.users == [text.removesuffix(".") for text in GOLDEN.values()]


def test_stamp_says_everything_that_decides_the_texts(tiny_slide):
    stamp = make_prompts(tiny_slide, "spot-symbols", options=RecipeOptions(top_genes=3, preprocess=ALL_GENES)).recipe
    assert stamp.pop("template_sha256")
    assert stamp == {
        "name": "spot-symbols",
        "version": 1,
        "template": "paper",
        "top_genes": 3,
        "preprocess": {"min_cells": 0, "n_hvg": 3000, "hvg_flavor": "seurat_v3", "scaling": "released"},
    }


def test_demo_texts_do_not_change(demo_slide):
    prompts = make_prompts(demo_slide, "spot-symbols", options=RecipeOptions(top_genes=5))
    assert prompts.users[0] == "Highly expressed genes: RPL32, VIM, GRIN2B, RPLP0, HBA1."
    assert prompts.users[-1] == "Highly expressed genes: UGT8, SOX10, NEFL, RPS16, BEX1."


def digest_of(slide):
    options = RecipeOptions(preprocess=PreprocessOptions(n_hvg=200))
    users = make_prompts(slide, "spot-symbols", options=options).users
    return hashlib.sha256("|".join(users).encode()).hexdigest()


def test_texts_are_the_same_in_another_process_with_other_threads(demo_slide):
    code = (
        "import hashlib\nfrom genesem_embed.datasets import PreprocessOptions, make_demo\n"
        "from genesem_embed.texts import RecipeOptions, make_prompts\n"
        "options = RecipeOptions(preprocess=PreprocessOptions(n_hvg=200))\n"
        "users = make_prompts(make_demo(), 'spot-symbols', options=options).users\n"
        "print(hashlib.sha256('|'.join(users).encode()).hexdigest())"
    )
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert (
        digest_of(demo_slide)
        == done.stdout.strip()
        == "e78524f4bbbce5c3242c10bb09a1f30dc947f664b7f5d5e29c30ebb12f077c75"
    )


@pytest.mark.real
def test_mvc_never_lists_a_gene_without_a_count(real_data):
    slide = ad.read_h5ad(real_data("mvc.h5ad"))
    prompts = make_prompts(slide, "spot-symbols", options=RecipeOptions(top_genes=30))
    listed = [text.removeprefix("Highly expressed genes: ").removesuffix(".").split(", ") for text in prompts.users]
    assert len(listed) == 1207
    for spot, genes in zip(slide.obs_names[::100], listed[::100], strict=True):
        assert (slide[spot, genes].X.toarray() > 0).all()
