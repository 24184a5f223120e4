import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genesem_train.errors import ConfigError
from genesem_train.graphs import adaptive_radius, nearest_spots, spatial_graph

LINE = np.array([[0.0, 0], [1, 0], [2, 0], [4, 0], [8, 0], [16, 0]])


@pytest.fixture
def cloud():
    return np.random.default_rng(0).uniform(0, 100, size=(200, 2))


def edges(graph):
    return {(int(a), int(b)) for a, b in zip(*graph.nonzero(), strict=True) if a < b}


def test_radius_graph_of_six_points():
    assert edges(spatial_graph(LINE, kind="radius", radius=2.0)) == {(0, 1), (0, 2), (1, 2), (2, 3)}


def test_knn_graph_of_six_points():
    assert edges(spatial_graph(LINE, kind="knn", k=1)) == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)}


@pytest.mark.parametrize(
    "options", [{"kind": "radius", "radius": 12.0}, {"kind": "knn", "k": 5}], ids=lambda o: o["kind"]
)
def test_graphs_are_symmetric_without_loops_and_sorted(cloud, options):
    graph = spatial_graph(cloud, **options)
    assert graph.dtype == bool
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert graph.has_sorted_indices


def test_radius_graph_is_all_pairs_within(cloud):
    near = (cdist(cloud, cloud) <= 12) & ~np.eye(len(cloud), dtype=bool)
    assert np.array_equal(spatial_graph(cloud, kind="radius", radius=12.0).toarray(), near)


def test_radius_needs_a_length(cloud):
    with pytest.raises(ConfigError, match=r"graph\.radius"):
        spatial_graph(cloud, kind="radius", radius=None)


def test_adaptive_radius_is_the_smallest_of_the_grid():
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).reshape(-1, 2) * 137.0
    found = adaptive_radius(grid, 15)
    degrees = {step: (cdist(grid, grid) <= step).sum(axis=1) for step in np.arange(5, 1001, 5)}
    fitting = [step for step, degree in degrees.items() if degree.min() > 2 and degree.max() > 15]
    assert found == min(fitting)
    assert spatial_graph(grid, kind="adaptive", k=15).sum() == degrees[found].sum() - len(grid)


def test_adaptive_radius_says_when_there_is_none():
    with pytest.raises(ConfigError, match="knn"):
        adaptive_radius(LINE * 5000, 3)


def test_spots_on_one_place_are_neighbours_of_each_other():
    places = np.zeros((5, 2))
    nearest = nearest_spots(places, 2)
    assert nearest.shape == (5, 2)
    assert all(spot not in row for spot, row in enumerate(nearest))
