import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from genesem_train.domains import kmeans_domains
from genesem_train.graphs import spatial_graph
from genesem_train.improved import embedding, field_inputs, fit_improved, lazy_mean, whiten
from genesem_train.models.field_semst import FieldSemST


@pytest.fixture
def slide():
    """Counts and coordinates of two hundred spots in two halves."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(200, 2))
    kinds = rng.gamma(1.0, size=(2, 50))
    rates = kinds[(coords[:, 0] > 0.5).astype(int)] * rng.gamma(8.0, 0.2, size=(200, 1))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32)), coords


def test_lazy_mean_by_hand():
    graph = spatial_graph(np.array([[0.0, 0], [1, 0], [3, 0]]), kind="knn", k=1)
    expected = [[0.4, 0.6, 0], [0.3, 0.4, 0.3], [0, 0.6, 0.4]]
    assert np.allclose(lazy_mean(graph, 0.4).toarray(), expected)


def test_prepared_slide(slide):
    counts, coords = slide
    prepared = field_inputs(counts, coords)
    inputs, view = prepared.inputs, prepared.inputs.spatial.matrix.to_dense()
    assert inputs.field.shape == (200, 30)
    assert float(inputs.field.std(dim=0, correction=0).max()) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(view.sum(dim=1), torch.ones(200))
    assert torch.allclose(view.diagonal(), torch.tensor(prepared.field.own_share, dtype=torch.float32))
    assert torch.allclose(inputs.values.matrix.to_dense(), view @ torch.from_numpy(counts.toarray()), atol=1e-4)
    assert float(prepared.genes.share.sum()) == pytest.approx(1)


def test_slides_in_one_fit_are_no_neighbours(slide):
    slide_of = np.arange(200) % 2
    inputs = field_inputs(*slide, slide_of=slide_of).inputs
    assert np.array_equal(slide_of[inputs.edges[0]], slide_of[inputs.edges[1]])
    for view in (inputs.spatial, inputs.feature):
        rows, columns = view.matrix.to_dense().nonzero().T
        assert np.array_equal(slide_of[rows], slide_of[columns])


def test_embedding_tells_the_halves_apart(slide):
    counts, coords = slide
    prepared = field_inputs(counts, coords)
    trained = fit_improved(prepared, seed=0, epochs=60)
    assert sorted(trained.readouts) == [50, 60]
    found = kmeans_domains(embedding(prepared, trained), 2, seed=0)
    assert abs(adjusted_rand_score(coords[:, 0] <= 0.5, found)) > 0.8


def test_embedding_halves_weigh_the_same(slide):
    prepared = field_inputs(*slide)
    found = embedding(prepared, fit_improved(prepared, epochs=2))
    assert found.shape == (200, 30)
    assert np.square(found).sum() == pytest.approx(2, rel=0.05)  # the rest is in the components beyond the thirtieth


def test_whitened_semantics_have_unit_variance_and_no_common_part():
    vectors = 5 + np.random.default_rng(0).normal(size=(300, 64)) * np.linspace(0.1, 3, 64)
    white = whiten(vectors)
    assert white.shape == (300, 32)
    assert np.allclose(np.cov(white.T), np.eye(32), atol=1e-5)


def test_same_seed_same_result(slide):
    prepared = field_inputs(*slide)
    one, two = (fit_improved(prepared, seed=4, epochs=5).latent for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_semantics_enter(slide, fusion):
    semantics = np.random.default_rng(1).normal(size=(200, 12))
    trained = fit_improved(field_inputs(*slide, semantics), fusion=fusion, epochs=2)
    assert trained.latent.shape == (200, 32)
    assert (trained.alpha is not None) == (fusion == "fsm")


def test_semantics_change_nothing_before_training(slide):
    semantics = np.random.default_rng(1).normal(size=(200, 12))
    network = FieldSemST(30, 11, field_inputs(*slide).genes)
    alpha, beta = network.modulation(field_inputs(*slide, semantics[:, :12]).inputs)
    assert float(alpha.abs().max().detach()) == float(beta.abs().max().detach()) == 0


def test_loss_is_the_dense_negative_binomial(slide):
    prepared = field_inputs(*slide)
    network = FieldSemST(30, None, prepared.genes)
    latents = network(prepared.inputs)
    counts, theta = prepared.inputs.values.matrix.to_dense(), prepared.genes.log_theta.exp()
    log_share = network.shares(network.hidden(latents.final)).log_softmax(dim=1)
    mean = counts.sum(dim=1, keepdim=True).clamp(min=1e-3) * log_share.exp()
    expected = ((counts + theta) * (mean + theta).log() - counts * mean.log()).sum() / 200
    found = network.losses(prepared.inputs, latents)["counts"]
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
