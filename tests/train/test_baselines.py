import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse

from genesem_embed.datasets import labels
from genesem_train.baselines import pca_domains, principal_components, smooth_components, smooth_pca_domains
from genesem_train.scores.metrics import score


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(80, 2))
    rates = np.where(coords[:, :1] > 0.5, rng.gamma(1.0, size=40), rng.gamma(1.0, size=40))
    slide = AnnData(sparse.csr_matrix(rng.poisson(rates).astype(np.float32)))
    slide.obsm["spatial"] = coords
    return slide


def test_components_are_at_most_thirty_and_repeat(small):
    components = principal_components(small)
    assert components.shape == (80, 30)
    assert np.array_equal(components, principal_components(small))


def test_smoothing_is_two_means_over_neighbours(small):
    coords = small.obsm["spatial"]
    nearest = np.argsort(np.linalg.norm(coords[:, None] - coords, axis=2), axis=1)[:, 1:7]
    once = principal_components(small)[:, :20][nearest].mean(axis=1)
    assert np.allclose(smooth_components(small, single_cell=False), once[nearest].mean(axis=1), atol=1e-5)


def test_baselines_find_two_halves(small):
    for domains in (pca_domains(small, 2, 0), smooth_pca_domains(small, 2, 0, single_cell=False)):
        assert domains.shape == (80,)
        assert set(domains) == {0, 1}


def test_a_spot_without_counts_is_no_problem(small):
    small.X = sparse.diags((np.arange(80) != 3).astype(np.float32)) @ small.X
    assert np.isfinite(smooth_components(small, single_cell=True)).all()


def test_input_is_left_as_it_is(small):
    before = small.X.copy()
    principal_components(small)
    assert abs(small.X - before).nnz == 0


@pytest.mark.real
def test_smooth_pca_on_the_visual_cortex(real_data):
    slide = read_h5ad(real_data("mvc.h5ad"))
    found = score(smooth_pca_domains(slide, 7, 0, single_cell=True), labels(slide, "region"))
    assert found["ari"] == pytest.approx(75.3, abs=1)
