import numpy as np
import pytest
import torch
from scipy import sparse

from genesem_train.improved import field_inputs, fit_improved, lazy_mean, mean_readout
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
    coords = np.array([[0.0, 0], [1, 0], [3, 0]])
    expected = [[0.4, 0.6, 0], [0.6, 0.4, 0], [0, 0.6, 0.4]]
    assert np.allclose(lazy_mean(coords, 1, 0.4).toarray(), expected)


def test_prepared_slide(slide):
    counts, coords = slide
    prepared = field_inputs(counts, coords)
    assert prepared.inputs.field.shape == (200, 30)
    assert float(prepared.inputs.field.std(dim=0, correction=0).max()) == pytest.approx(1, abs=1e-5)
    assert prepared.inputs.values.shape == (200, 50)
    assert torch.allclose(prepared.inputs.spatial.matrix.to_dense().sum(dim=1), torch.ones(200))
    assert float(prepared.genes.share.sum()) == pytest.approx(1)


def test_seeds_share_the_axes_of_their_readouts(slide):
    prepared = field_inputs(*slide)
    runs = [fit_improved(prepared, seed=seed, epochs=60) for seed in range(2)]
    assert [sorted(run.readouts) for run in runs] == [[50, 60]] * 2
    one, two = (run.readouts[60][:, 0] for run in runs)
    assert np.corrcoef(one, two)[0, 1] > 0.95
    assert np.allclose(mean_readout(runs), np.mean([r for run in runs for r in run.readouts.values()], axis=0))


def test_readout_tells_the_halves_apart(slide):
    counts, coords = slide
    readout = fit_improved(field_inputs(counts, coords), seed=0, epochs=60).readouts[60]
    left = coords[:, 0] <= 0.5
    gap = abs(readout[left, 0].mean() - readout[~left, 0].mean())
    assert gap > 2 * (readout[left, 0].std() + readout[~left, 0].std())


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


def test_decoder_starts_from_the_genes_shares(slide):
    prepared = field_inputs(*slide)
    network = FieldSemST(30, None, prepared.genes)
    with torch.no_grad():
        network.shares.weight.zero_()
        readout = network.readout(prepared.inputs, network(prepared.inputs))
    assert torch.allclose(readout, torch.zeros_like(readout), atol=1e-5)


def test_loss_is_the_dense_negative_binomial(slide):
    prepared = field_inputs(*slide)
    network = FieldSemST(30, None, prepared.genes)
    latents = network(prepared.inputs)
    counts, theta = prepared.inputs.values.matrix.to_dense(), prepared.genes.log_theta.exp()
    log_share = network.shares(network.hidden(latents.final)).log_softmax(dim=1)
    mean = counts.sum(dim=1, keepdim=True).clamp(min=1) * log_share.exp()
    expected = ((counts + theta) * (mean + theta).log() - counts * mean.log()).sum() / 200
    found = network.losses(prepared.inputs, latents)["counts"]
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
