from dataclasses import replace

import numpy as np
import pytest

from genesem_embed.texts.cells.cohort import read_cohort
from genesem_embed.texts.cells.context import find_context, hub_shares
from genesem_embed.texts.cells.neighbours import NONE
from genesem_embed.texts.cells.options import CellOptions

CHOICES = [
    CellOptions(k=3),
    CellOptions(k=2, pairing="intersection"),
    CellOptions(k=2, pairing="spatial", distance="l1"),
    CellOptions(k=2, pairing="expression", similarity="pearson"),
    CellOptions(k=2, negatives="paper-like", negative_window=(7, 9), positive_window=(2, 3)),
    CellOptions(k=2, negatives="random", similarity="euclidean", distance="cosine"),
    CellOptions(k=1, negatives="none", shuffle_coordinates=True),
    CellOptions(k=40),
]


def context_of(slide, options):
    if options.scaling != "raw":
        options = replace(options, fold=1, folds=2)
    return find_context(read_cohort(slide, options).cells, options)


@pytest.mark.parametrize("options", CHOICES, ids=lambda options: f"{options.pairing}-{options.negatives}-{options.k}")
def test_neighbours_stay_in_the_image_are_others_and_at_most_k(cells, options):
    image = cells.obs["image"].cat.codes.to_numpy()
    for picks in context_of(cells, options).values():
        row = np.broadcast_to(np.arange(cells.n_obs)[:, None], picks.shape)[picks != NONE]
        other = picks[picks != NONE]
        assert (image[row] == image[other]).all()
        assert (row != other).all()
        assert picks.shape[1] <= max(options.k, 3)
        assert len(np.unique(np.column_stack([row, other]), axis=0)) == len(row)


@pytest.mark.parametrize(
    ("options", "sections"),
    [
        (CellOptions(), {"similar", "near", "dissimilar", "distant"}),
        (CellOptions(pairing="spatial"), {"near", "distant"}),
        (CellOptions(pairing="expression"), {"similar", "dissimilar"}),
        (CellOptions(pairing="intersection"), {"both", "similar", "near", "dissimilar", "distant"}),
        (CellOptions(negatives="none"), {"similar", "near"}),
        (CellOptions(sections=("near",)), {"near"}),
        (CellOptions(k=0), set()),
    ],
)
def test_options_decide_the_sections(cells, options, sections):
    assert set(context_of(cells, options)) == sections


def test_switching_a_section_off_leaves_the_others(cells):
    whole, part = context_of(cells, CellOptions(k=2)), context_of(cells, CellOptions(k=2, sections=("distant",)))
    np.testing.assert_array_equal(whole["distant"], part["distant"])


def test_an_image_does_not_change_another(cells):
    alone = cells[(cells.obs["image"] == "img03").to_numpy()].copy()
    options = CellOptions(k=2, scaling="raw", shuffle_coordinates=True)
    whole, part = context_of(cells, options), context_of(alone, options)
    rows = np.flatnonzero(cells.obs["image"] == "img03")
    for section, picks in part.items():
        np.testing.assert_array_equal(whole[section][rows], rows[picks])


def test_intersection_falls_back_to_both_lists(cells):
    context = context_of(cells, CellOptions(k=3, pairing="intersection"))
    alone = (context["both"] == NONE).all(axis=1)
    assert 0 < alone.sum() < cells.n_obs
    assert (context["similar"][alone] != NONE).all()
    assert (context["near"][~alone] == NONE).all()


def test_images_smaller_than_k_give_what_they_have(make_cells):
    context = context_of(make_cells(cells_per_image=3), CellOptions(k=5))
    assert ((context["near"] != NONE).sum(axis=1) == 2).all()


def test_shuffled_coordinates_change_space_alone(cells):
    whole, shuffled = context_of(cells, CellOptions()), context_of(cells, CellOptions(shuffle_coordinates=True))
    np.testing.assert_array_equal(whole["similar"], shuffled["similar"])
    assert (whole["near"] != shuffled["near"]).mean() > 0.5


def test_the_literal_negatives_are_hubs_and_drawn_ones_are_not(make_cells):
    slide = make_cells(cells_per_image=200)
    literal = hub_shares(context_of(slide, CellOptions(negatives="paper-like")))
    drawn = hub_shares(context_of(slide, CellOptions()))
    assert literal["distant"]["n_distinct"] < 100 < 500 < drawn["distant"]["n_distinct"]
    assert literal["distant"]["max_share"] > 5 * drawn["distant"]["max_share"]
