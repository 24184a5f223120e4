"""Permuting spots permutes the result of a whole fit, and nothing hangs on the order in which they are stored."""

from functools import partial

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from genesem_train.domains import kmeans_domains
from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.improved.embedding import embedding, field_job
from genesem_train.improved.inputs import field_inputs
from genesem_train.models import SemST
from genesem_train.models.backbones.stagate import Stagate
from genesem_train.training.fit import fit_backbone, make_inputs


@pytest.fixture
def slide():
    """Values, coordinates and semantics of eighty spots in two halves."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(80, 2))
    half = coords[:, 0] > 0.5
    rates = rng.gamma(1.0, size=(2, 24))[half.astype(int)]
    return rng.poisson(3 * rates).astype(np.float32), coords, rng.normal(size=(80, 6))


@pytest.mark.parametrize("form", ["paper", "released"])
def test_of_semst(slide, form):
    def fitted(order):
        values, coords, semantics = (part[order] for part in slide)
        matrix = sparse.csr_matrix(values)
        spatial, feature = spatial_graph(coords, kind="knn", k=4), feature_graph(matrix, k=3)
        inputs = make_inputs(matrix, spatial, propagation(spatial), propagation(feature), semantics)
        network = partial(SemST, 24, 6, hidden_dim=8, latent_dim=4, loss_form=form)
        return fit_backbone(network, inputs, epochs=12, lr=1e-3 if form == "released" else 1e-4)

    turned = np.random.default_rng(1).permutation(80)
    first, second = fitted(np.arange(80)), fitted(turned)
    # Sums run in another order, and Adam divides small gradients by small gradients.
    assert np.allclose(second.latent, first.latent[turned], atol=2e-3 * np.abs(first.latent).max())
    assert np.allclose(second.losses["total"], first.losses["total"], rtol=1e-4)
    domains = [kmeans_domains(trained.latent, 2, seed=0) for trained in (first, second)]
    assert adjusted_rand_score(domains[0][turned], domains[1]) > 0.95


def test_of_stagate(slide):
    def fitted(order):
        values, coords, semantics = (part[order] for part in slide)
        inputs = make_inputs(sparse.csr_matrix(values), spatial_graph(coords, kind="knn", k=4), semantics=semantics)
        return fit_backbone(lambda: Stagate(24, 6, hidden_dim=8, latent_dim=4, fusion="fsm"), inputs, epochs=12).latent

    turned = np.random.default_rng(1).permutation(80)
    first, second = fitted(np.arange(80)), fitted(turned)
    assert np.allclose(second, first[turned], atol=2e-3 * np.abs(first).max())


def test_of_mode_improved(slide):
    def fitted(order):
        counts, coords, semantics = (part[order] for part in slide)
        prepared = field_inputs(sparse.csr_matrix(counts), coords, semantics)
        trained = field_job(prepared, hidden_dim=16, latent_dim=8).fit(epochs=12, lr=3e-3, seed=0)
        return prepared, trained, embedding(prepared, [trained])[0]

    turned = np.random.default_rng(1).permutation(80)
    first, second = fitted(np.arange(80)), fitted(turned)
    assert np.allclose(second[0].field, first[0].field[turned], atol=1e-6 * np.abs(first[0].field).max())
    assert np.allclose(second[1].losses["total"], first[1].losses["total"], rtol=1e-3)
    domains = [kmeans_domains(embedded, 2, seed=0) for *_, embedded in (first, second)]
    assert adjusted_rand_score(domains[0][turned], domains[1]) > 0.95
