import signal

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from genesem_train.domains import kmeans_domains
from genesem_train.improved.embedding import Embedder, embedding, field_job, field_network
from genesem_train.improved.inputs import field_inputs, field_inputs_like
from genesem_train.models.field_semst import FieldSemST
from genesem_train.training.checkpoints import Resumable


def fit(prepared, *, fusion="fsm", hidden_dim=64, latent_dim=32, **training):
    job = field_job(prepared, fusion=fusion, hidden_dim=hidden_dim, latent_dim=latent_dim)
    return job.fit(**{"lr": 3e-3, **training})


def test_embedding_tells_the_halves_apart(slide):
    counts, coords = slide
    prepared = field_inputs(counts, coords)
    trained = fit(prepared, seed=0, epochs=60)
    assert sorted(trained.readouts) == [50, 60]
    found = kmeans_domains(embedding(prepared, [trained])[0], 2, seed=0)
    assert abs(adjusted_rand_score(coords[:, 0] <= 0.5, found)) > 0.8


def test_embedding_halves_weigh_the_same(slide):
    prepared = field_inputs(*slide)
    found, _ = embedding(prepared, [fit(prepared, epochs=2)])
    assert found.shape == (200, 30)
    assert np.square(found).sum() == pytest.approx(2, rel=0.05)  # the rest is in the components beyond the thirtieth


@pytest.mark.parametrize("semantic_dim", [12, 150, None])
def test_the_fitted_slide_is_embedded_again_in_any_order(slide, semantic_dim):
    counts, coords = slide
    semantics = None if semantic_dim is None else np.random.default_rng(1).normal(size=(200, semantic_dim))
    prepared = field_inputs(counts, coords, semantics)
    networks = [fit(prepared, seed=seed, epochs=51, hidden_dim=16, latent_dim=8) for seed in range(2)]
    expected, embedder = embedding(prepared, networks)
    assert not np.allclose(expected, embedding(prepared, networks[1:])[0], atol=1e-3)
    kept = Embedder.from_tensors({**embedder.tensors(3), **embedder.tensors(30)}, 3)
    order = np.random.default_rng(2).permutation(200)
    vectors = None if semantics is None else semantics[order]
    again = field_inputs_like(prepared.transforms, counts[order], coords[order], vectors)
    network = field_network(again, fusion="fsm", hidden_dim=16, latent_dim=8)
    assert np.allclose(kept.embed(network, networks[-1].weights, again), expected[order], atol=1e-5)


def test_a_resumed_fit_keeps_the_weights_of_the_epochs_before(slide, tmp_path):
    prepared = field_inputs(*slide)
    widths = {"epochs": 53, "hidden_dim": 8, "latent_dim": 4}
    place = {"path": tmp_path / "seed-0.pt", "stamp": "s"}

    def press_ctrl_c(epoch, losses):
        if epoch == 51:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(prepared, **widths, resumable=Resumable(**place), on_epoch=press_ctrl_c)
    resumed = fit(prepared, **widths, resumable=Resumable(**place, resume=True))
    whole = fit(prepared, **widths)
    assert sorted(resumed.readout_weights) == [50, 53]
    for epoch, weights in whole.readout_weights.items():
        assert all(torch.equal(resumed.readout_weights[epoch][name], value) for name, value in weights.items())
    assert not torch.equal(whole.readout_weights[50]["shares.weight"], whole.readout_weights[53]["shares.weight"])


def test_same_seed_same_result(slide):
    prepared = field_inputs(*slide)
    one, two = (fit(prepared, seed=4, epochs=5).latent for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_semantics_enter(slide, fusion):
    semantics = np.random.default_rng(1).normal(size=(200, 12))
    trained = fit(field_inputs(*slide, semantics), fusion=fusion, epochs=2)
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
