import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genesem_embed.texts.cells.costs import block_costs, make_points, pair_costs

REFERENCE = {"cosine": "cosine", "pearson": "correlation", "euclidean": "sqeuclidean", "l1": "cityblock"}


@pytest.fixture
def vectors():
    return np.random.default_rng(1).normal(size=(50, 6))


@pytest.mark.parametrize("metric", REFERENCE)
def test_orders_cells_as_scipy_does(vectors, metric):
    costs = block_costs(make_points(vectors, metric), np.arange(50))
    expected = cdist(vectors, vectors, REFERENCE[metric])
    for row in range(50):
        np.testing.assert_array_equal(np.argsort(costs[row])[1:], np.argsort(expected[row])[1:])


@pytest.mark.parametrize("metric", REFERENCE)
def test_whole_numbers_the_same_for_any_blocks_and_pairs(vectors, metric):
    points = make_points(vectors * 1000, metric)
    whole = block_costs(points, np.arange(50))
    parts = np.vstack([block_costs(points, np.array([row])) for row in range(50)])
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(whole, np.trunc(whole))
    left, right = np.triu_indices(50, 1)
    np.testing.assert_array_equal(pair_costs(points, left, right), whole[left, right])


def test_vectors_of_zeros_and_single_places_are_no_trouble():
    assert np.isfinite(block_costs(make_points(np.zeros((3, 4)), "cosine"), np.arange(3))).all()
    assert (block_costs(make_points(np.ones((3, 2)), "euclidean"), np.arange(3)) == 0).all()
