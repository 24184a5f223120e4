import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from genesem_train.improved.components import count_components


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, size=(3, 30))[rng.integers(0, 3, 90)] * rng.gamma(4.0, size=(90, 1))
    return rng.poisson(rates).astype(np.float32)


def test_components_are_those_of_the_dense_centred_matrix(counts):
    library = counts.sum(axis=1, keepdims=True).astype(np.float64)
    values = np.log1p(counts / library * np.median(library))
    expected = PCA(5, svd_solver="full").fit(values)
    found = count_components(sparse.csr_matrix(counts), 5)
    assert np.allclose(np.abs(found.scores), np.abs(expected.transform(values)), atol=1e-6)
    assert np.allclose(np.abs(found.axes.loadings), np.abs(expected.components_.T), atol=1e-6)
    assert found.axes.median_library == np.median(library)


def test_components_repeat(counts):
    one, two = (count_components(sparse.csr_matrix(counts)) for _ in range(2))
    assert np.array_equal(one.scores, two.scores)


def test_axes_give_the_scores_again_and_do_not_look_at_other_spots(counts):
    found = count_components(sparse.csr_matrix(counts), 5)
    assert np.allclose(found.axes.scores(sparse.csr_matrix(counts)), found.scores, atol=1e-9)
    assert np.allclose(found.axes.scores(sparse.csr_matrix(counts[:7])), found.scores[:7], atol=1e-9)


def test_a_spot_without_counts_is_an_average_of_nothing(counts):
    counts[4] = 0
    assert np.isfinite(count_components(sparse.csr_matrix(counts), 5).scores).all()


def test_there_are_no_more_components_than_spots_or_genes(counts):
    assert count_components(sparse.csr_matrix(counts[:8]), 30).scores.shape == (8, 7)
