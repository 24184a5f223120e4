import numpy as np
import pytest

from genesem_embed.texts.cells.costs import block_costs, make_points
from genesem_embed.texts.cells.negatives import draw_far_cells
from genesem_embed.texts.cells.neighbours import NONE, extreme_cells


@pytest.fixture
def points():
    return make_points(np.random.default_rng(0).uniform(size=(300, 2)), "euclidean")


def draw(points, k=2, *, quantile=0.2, cap=20, seed=0):
    return draw_far_cells(points, k, quantile=quantile, cap=cap, rng=np.random.default_rng(seed))


def test_distinct_cells_from_the_far_part_alone(points):
    picks = draw(points, 3)
    costs = block_costs(points, np.arange(300))
    threshold = np.quantile(costs, 0.8, axis=1, method="lower")
    assert (picks != NONE).all()
    assert (np.take_along_axis(costs, picks, axis=1) >= threshold[:, None]).all()
    assert all(len(set(row)) == 3 for row in picks)
    assert (picks != np.arange(300)[:, None]).all()


def test_no_cell_is_drawn_more_often_than_the_cap(points):
    counts = np.bincount(draw(points, 2, cap=7).ravel(), minlength=300)
    assert counts.max() <= 7
    literal = extreme_cells(points, (1, 2), farthest=True)
    assert len(np.unique(literal)) < 20 < (counts > 0).sum()


def test_a_tight_cap_leaves_places_empty_rather_than_break(points):
    picks = draw(points, 1, quantile=0.02, cap=1)
    assert np.bincount(picks[picks != NONE]).max() == 1
    assert (picks == NONE).any()


def test_quantile_one_draws_from_all(points):
    picks = draw(points, 1, quantile=1.0)
    costs = block_costs(points, np.arange(300))
    rank = (costs < np.take_along_axis(costs, picks, axis=1)).mean(axis=1)
    assert 0.4 < rank.mean() < 0.6


def test_one_cell_has_no_other():
    assert draw(make_points(np.zeros((1, 2)), "euclidean")).tolist() == [[NONE, NONE]]


def test_same_seed_same_draw(points):
    np.testing.assert_array_equal(draw(points, seed=3), draw(points, seed=3))
    assert (draw(points, seed=3) != draw(points, seed=4)).any()
