import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.spatial.distance import cdist

from genesem_train.graphs import candidates, feature, feature_graph, measured_feature_graph, neighbour_recall
from genesem_train.graphs.candidates import likely_neighbours
from genesem_train.graphs.feature import best_candidates, exact_neighbours, unit_rows


def test_feature_graph_is_cosine_nearest_neighbours(monkeypatch):
    rng = np.random.default_rng(1)
    dense = rng.poisson(1.0, size=(60, 40)).astype(np.float32) * rng.gamma(2.0, size=(60, 1)).astype(np.float32)
    distances = cdist(dense, dense, "cosine")
    np.fill_diagonal(distances, np.inf)
    expected = np.zeros((60, 60), dtype=bool)
    expected[np.arange(60)[:, None], np.argsort(distances, axis=1)[:, :4]] = True
    whole = feature_graph(sparse.csr_matrix(dense), k=4)
    assert np.array_equal(whole.toarray(), expected | expected.T)
    monkeypatch.setattr("genesem_train.graphs.feature.BLOCK_BYTES", 4 * 60 * 7)
    assert (feature_graph(sparse.csr_matrix(dense), k=4) != whole).nnz == 0


def test_a_spot_without_values_has_no_feature_edges():
    dense = np.array([[1, 2, 0], [0, 0, 0], [2, 3, 0], [3, 1, 0]], dtype=np.float32)
    graph = feature_graph(sparse.csr_matrix(dense), k=2)
    assert graph[1].sum() == 0
    assert graph.sum() == 6


@pytest.fixture
def counts():
    """Counts of two thousand spots that mix five kinds."""
    rng = np.random.default_rng(0)
    kinds = rng.dirichlet(np.full(200, 0.3), size=5)
    rates = rng.dirichlet(np.full(5, 0.4), size=2000) @ kinds * rng.lognormal(5, 0.3, size=(2000, 1))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32))


def test_approximate_neighbours_are_nearly_the_exact_ones(counts):
    graph = feature_graph(counts, k=10, method="approximate")
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert neighbour_recall(counts, graph, k=10) >= 0.95


def test_recall_is_measured_against_all_pairs(counts):
    exact = feature_graph(counts, k=10, method="exact")
    assert neighbour_recall(counts, exact, k=10) == 1
    assert neighbour_recall(counts, feature_graph(counts, k=5, method="exact"), k=10) == pytest.approx(0.6, abs=0.1)


def test_cells_that_are_not_probed_cost_little_recall(counts, monkeypatch):
    monkeypatch.setattr(candidates, "CELL_SPOTS", 100)
    monkeypatch.setattr(candidates, "PROBED_SPOTS", 800)
    assert neighbour_recall(counts, feature_graph(counts, k=10, method="approximate"), k=10) >= 0.85


def test_spots_that_are_all_alike_are_looked_through_in_parts(monkeypatch):
    alike = sparse.csr_matrix(np.repeat(np.eye(2, 30, dtype=np.float32), [1500, 500], axis=0))
    monkeypatch.setattr(candidates, "CELL_SPOTS", 100)
    monkeypatch.setattr(candidates, "GREATEST_CELL", 200)
    monkeypatch.setattr(candidates, "PROBED_SPOTS", 800)
    cells = list(candidates._cells(alike.toarray()))
    assert sorted(torch.cat([cell for cell, _ in cells]).tolist()) == list(range(2000))
    assert max(len(cell) for cell, _ in cells) <= 200
    assert max(len(probed) for _, probed in cells) <= 8 * 200
    likely = likely_neighbours(alike, 5)
    assert (likely != np.arange(2000)[:, None]).all()
    assert ((likely >= 1500) == (np.arange(2000) >= 1500)[:, None]).all()


def test_where_no_spot_has_a_neighbour_none_is_missed():
    alone = sparse.csr_matrix(np.eye(20, dtype=np.float32))
    assert neighbour_recall(alone, feature_graph(alone, k=3), k=3) == 1


def test_a_poor_recall_is_measured_and_warned_about(counts, monkeypatch):
    strangers = np.random.default_rng(0).integers(0, 1999, size=(2000, 12))
    strangers += strangers >= np.arange(2000)[:, None]
    monkeypatch.setattr(feature, "likely_neighbours", lambda unit, k, effort: strangers)
    with pytest.warns(UserWarning, match="set graph.feature_method to exact"):
        graph, recall = measured_feature_graph(counts, k=10, method="approximate")
    assert recall == neighbour_recall(counts, graph, k=10) < 0.5
    assert measured_feature_graph(counts, k=10, method="exact")[1] is None


def test_candidates_are_others_and_repeat(counts):
    unit = unit_rows(counts)
    found = likely_neighbours(unit, 5)
    assert found.shape == (2000, 5 * candidates.EFFORTS[0][1])
    assert not (found == np.arange(2000)[:, None]).any()
    assert np.array_equal(found, likely_neighbours(unit, 5))


def test_candidates_are_ranked_by_their_exact_cosine(counts, monkeypatch):
    unit = unit_rows(counts[:50])
    everyone = np.stack([np.delete(np.arange(50), spot) for spot in range(50)])
    monkeypatch.setattr("genesem_train.graphs.feature.BLOCK_BYTES", 16 * 49 * 80 * 7)
    neighbours, cosines = best_candidates(unit, everyone, 6)
    exact, exact_cosines = exact_neighbours(unit, np.arange(50), 6)
    assert np.allclose(cosines, exact_cosines, atol=1e-6)
    assert np.mean(neighbours == exact) > 0.99


def test_an_empty_candidate_has_cosine_zero():
    unit = unit_rows(sparse.csr_matrix(np.array([[1, 1], [0, 0], [1, 0], [0, 0]], dtype=np.float32)))
    _, cosines = best_candidates(unit, np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]), 3)
    assert np.allclose(cosines, [[np.sqrt(0.5), 0, 0], [0, 0, 0], [np.sqrt(0.5), 0, 0], [0, 0, 0]])
