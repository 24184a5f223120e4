import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from genesem_train.graphs import spatial_graph
from genesem_train.improved import components
from genesem_train.improved.components import count_components, gene_weights


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, size=(3, 30))[rng.integers(0, 3, 90)] * rng.gamma(4.0, size=(90, 1))
    return rng.poisson(rates).astype(np.float32)


@pytest.fixture
def graph():
    return spatial_graph(np.random.default_rng(1).uniform(size=(90, 2)), kind="knn", k=6)


def test_components_are_those_of_the_dense_centred_weighted_matrix(counts, graph):
    library = counts.sum(axis=1, keepdims=True).astype(np.float64)
    values = np.log1p(counts / library * np.median(library))
    weighted = values * gene_weights(sparse.csr_matrix(values), graph)
    expected = PCA(5, svd_solver="full").fit(weighted)
    found = count_components(sparse.csr_matrix(counts), graph, 5)
    assert np.allclose(np.abs(found.scores), np.abs(expected.transform(weighted)), atol=1e-6)
    assert np.allclose(np.abs(found.loadings), np.abs(expected.components_.T), atol=1e-6)
    assert found.axes.median_library == np.median(library)


def test_components_repeat(counts, graph):
    one, two = (count_components(sparse.csr_matrix(counts), graph) for _ in range(2))
    assert np.array_equal(one.scores, two.scores)


def test_axes_give_the_scores_again_and_do_not_look_at_other_spots(counts, graph):
    found = count_components(sparse.csr_matrix(counts), graph, 5)
    assert np.allclose(found.axes.scores(sparse.csr_matrix(counts)), found.scores, atol=1e-9)
    assert np.allclose(found.axes.scores(sparse.csr_matrix(counts[:7])), found.scores[:7], atol=1e-9)


def test_a_spot_without_counts_is_an_average_of_nothing(counts, graph):
    counts[4] = 0
    assert np.isfinite(count_components(sparse.csr_matrix(counts), graph, 5).scores).all()


def test_there_are_no_more_components_than_spots_or_genes(counts, graph):
    assert count_components(sparse.csr_matrix(counts[:8]), graph[:8, :8], 30).scores.shape == (8, 7)


def test_weights_by_the_dense_formula(monkeypatch, graph):
    monkeypatch.setattr(components, "EDGE_SPOTS", 40)  # three blocks of spots
    rng = np.random.default_rng(2)
    values = np.log1p(rng.poisson(2.0, size=(90, 12)) * rng.uniform(0.1, 3.0, size=12))
    values[:, 3] = 1.7  # does not vary
    off, links = values - values.mean(axis=0), graph.toarray().astype(float)
    shared = np.maximum(np.einsum("ij,ig,jg->g", links, off, off) / links.sum(), 0)
    variance = values.var(axis=0)
    expected = np.where(variance > 1e-12, np.sqrt(np.sqrt(shared) / np.maximum(variance, 1e-12)), 0)
    found = gene_weights(sparse.csr_matrix(values), graph)
    assert np.allclose(found, expected / expected.max(), atol=1e-9)
    assert found[3] == 0


def test_faint_genes_that_mark_tissue_come_before_abundant_noise():
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(600, 2))
    left = coords[:, 0] < 0.5
    marks = rng.poisson(np.where(left, 0.2, 0.6)[:, None], size=(600, 20))
    noise = rng.poisson(rng.gamma(2.0, 10.0, size=(600, 20)))
    counts = sparse.csr_matrix(np.hstack([marks, noise]), dtype=np.float32)
    found = count_components(counts, spatial_graph(coords, kind="knn", k=6), 1)
    assert abs(np.corrcoef(found.scores[:, 0], left)[0, 1]) > 0.7
    assert (found.axes.loadings[:20] ** 2).sum() > 5 * (found.axes.loadings[20:] ** 2).sum()


def test_where_neighbours_share_nothing_all_genes_weigh_the_same():
    values = sparse.csr_matrix(np.array([[0.0, 2], [1, 1], [0, 2], [1, 1]]))
    ring = sparse.csr_matrix(np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]))  # neighbours differ
    assert np.array_equal(gene_weights(values, ring), [1, 1])
