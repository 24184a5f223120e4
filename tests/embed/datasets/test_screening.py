"""Slides from outside: what is no gene or no tissue is left out and told, what only looks wrong is told."""

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from genesem_embed.datasets import labels
from genesem_embed.datasets.checks import check_slide
from genesem_embed.errors import InputError


def slide(n_spots=40, genes=("MBP", "GFAP", "SNAP25"), **obs):
    counts = np.random.default_rng(0).poisson(3, (n_spots, len(genes))).astype(np.float32) + 1
    found = AnnData(counts, obs=pd.DataFrame(obs, index=[f"s{row}" for row in range(n_spots)]))
    found.var_names = list(genes)
    found.obsm["spatial"] = np.stack(np.divmod(np.arange(n_spots), 8), axis=1).astype(float)
    return found


@pytest.mark.parametrize("marks", [[1] * 30 + [0] * 10, [True] * 30 + [False] * 10, ["1"] * 30 + ["0"] * 10])
def test_spots_outside_of_the_tissue_are_left_out(marks):
    with pytest.warns(UserWarning, match="10 of 40 spots are outside of the tissue"):
        checked = check_slide(slide(in_tissue=marks))
    assert list(checked.obs_names) == [f"s{row}" for row in range(30)]
    assert checked.obsm["spatial"].shape == (30, 2)


def test_a_slide_without_tissue_is_refused():
    with pytest.raises(InputError, match="none is in tissue"):
        check_slide(slide(in_tissue=[0] * 40))


@pytest.mark.parametrize(
    "control",
    [
        *("BLANK_0005", "Blank-33", "NegControlProbe_00016", "NegControlCodeword_0500", "antisense_PROKR2"),
        *("UnassignedCodeword_0001", "DeprecatedCodeword_0321", "NegPrb12", "Negative07", "SystemControl17"),
        "Intergenic_Region_1079",
    ],
)
def test_probes_that_measure_no_gene_are_left_out(control):
    with pytest.warns(UserWarning, match=f"1 of 4 features are no genes .{control}.: left out"):
        checked = check_slide(slide(genes=("MBP", control, "NEGR1", "SNAP25")))
    assert list(checked.var_names) == ["MBP", "NEGR1", "SNAP25"]


def test_features_of_another_type_are_left_out():
    mixed = slide(genes=("MBP", "CD3_ab", "SNAP25"))
    mixed.var["feature_types"] = ["Gene Expression", "Antibody Capture", "Gene Expression"]
    with pytest.warns(UserWarning, match="1 of 3 features are no genes .CD3_ab."):
        assert list(check_slide(mixed).var_names) == ["MBP", "SNAP25"]
    mixed.var["feature_types"] = "gene"  # somebody's own words say nothing
    assert check_slide(mixed).n_vars == 3
    with pytest.raises(InputError, match="all 2 features are controls"):
        check_slide(slide(genes=("Blank-1", "Blank-2")))


def test_spots_without_counts_are_told():
    bare = slide()
    bare.X[3:6] = 0
    with pytest.warns(UserWarning, match="3 of 40 spots have no counts; they stay"):
        assert check_slide(bare).n_obs == 40


def test_sections_that_lie_one_on_top_of_the_other_are_told():
    stacked = slide(n_spots=80, library_id=["A", "B"] * 40)
    with pytest.warns(UserWarning, match=r"obs\['library_id'\] names 2 sections that lie one on top of the other"):
        check_slide(stacked)
    apart = slide(n_spots=80, library_id=["A"] * 40 + ["B"] * 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_slide(apart)


def test_what_says_that_there_is_no_label_is_none():
    said = ["cortex ", "cortex", " Unknown", "unassigned", "-1", "Not annotated", "white matter", ""]
    found = labels(slide(n_spots=8, region=said), "region")
    assert list(found.categories) == ["cortex", "white matter"]
    assert found.codes.tolist() == [0, 0, -1, -1, -1, -1, 1, -1]
    assert labels(slide(n_spots=3, region=[-1, 0, 1]), "region").codes.tolist() == [-1, 0, 1]


def test_genes_named_by_numbers_are_refused_and_some_ids_among_symbols_told():
    numbers = slide(genes=("208", "275", "304"))
    numbers.var["gene_name"] = ["AKT2", "AMT", "ANK3"]
    with pytest.raises(InputError, match="named by Entrez ids .* `--gene-symbols gene_name`"):
        check_slide(numbers)
    with pytest.warns(UserWarning, match="1 of 3 genes are named by Ensembl ids .first ENSG00000000128.10."):
        check_slide(slide(genes=("MBP", "ENSG00000000128.10", "SNAP25")))


def test_where_no_text_is_made_ids_will_do():
    assert check_slide(slide(genes=("ENSG00000000128", "ENSG00000000129", "ENSG00000000130")), ids=True).n_vars == 3
