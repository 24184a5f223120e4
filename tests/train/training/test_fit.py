import json
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse

from genesem_train.config import load_preset
from genesem_train.errors import ConfigError, TrainingError
from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.networks import make_network
from genesem_train.training.checkpoints import Resumable
from genesem_train.training.fit import fit_backbone, make_inputs
from genesem_train.training.repeatable import THREADS, repeatable

GOLDEN = Path(__file__).parents[1] / "golden" / "semst_curve.json"


@pytest.fixture
def parts():
    """Values and graphs of sixty spots in two halves; no random number generator that may change decides them."""
    spot, gene = np.arange(60)[:, None], np.arange(20)
    values = ((7 * spot + 3 * gene + spot * gene) % 5) * ((spot < 30) == (gene < 10)) * ((spot + gene) % 3 > 0) / 2
    coords = np.stack([np.arange(60) % 8, np.arange(60) // 8], axis=1).astype(float)
    matrix = sparse.csr_matrix(values.astype(np.float32))
    spatial, feature = spatial_graph(coords, kind="knn", k=4), feature_graph(matrix, k=3)
    return matrix, spatial, propagation(spatial), propagation(feature)


def fit(values, *graphs, semantics=None, loss=None, **training):
    """Return SemST as the settings have it, small, after five epochs if nothing else is said."""
    inputs = make_inputs(values, *graphs, semantics)
    settings = (
        load_preset("default", "slide.h5ad")
        .with_values("model", hidden_dim=8, latent_dim=4)
        .with_values("loss", **loss or {})
    )
    semantic_dim = None if semantics is None else semantics.shape[1]
    network = partial(make_network, settings, values.shape[1], semantic_dim, inputs.n_spots)
    return fit_backbone(network, inputs, **{"epochs": 5, **training})


@pytest.fixture
def semantics():
    return np.sin(np.arange(60 * 6)).reshape(60, 6)


def test_fit_returns_latent_losses_and_modulation(parts, semantics):
    seen = []
    trained = fit(*parts, semantics=semantics, on_epoch=lambda epoch, losses: seen.append((epoch, losses)))
    assert trained.latent.shape == (60, 4)
    assert trained.alpha.shape == trained.beta.shape == (60, 8)
    assert set(trained.losses) == {"zinb", "spatial", "correlation", "total"}
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5]
    assert [losses["total"] for _, losses in seen] == trained.losses["total"]
    assert all(tensor.device.type == "cpu" for tensor in trained.weights.values())


def test_same_seed_same_result_and_another_seed_another(parts):
    one, two, other = (fit(*parts, seed=seed).latent for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.allclose(one, other)


def test_fit_leaves_the_callers_random_state(parts):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    fit(*parts)
    assert torch.equal(torch.rand(1), expected)


def test_training_lowers_the_loss(parts):
    total = fit(*parts, epochs=60, lr=1e-2).losses["total"]
    assert total[-1] < 0.8 * total[0]


def test_total_is_the_weighted_sum(parts):
    losses = fit(*parts, loss={"zinb": 2.0, "spatial": 3.0, "correlation": 0.5}).losses
    expected = 2 * np.array(losses["zinb"]) + 3 * np.array(losses["spatial"]) + 0.5 * np.array(losses["correlation"])
    assert np.allclose(losses["total"], expected, rtol=1e-5)


def test_moments_train_nearly_as_all_pairs_do(parts):
    exact, moments = (fit(*parts, loss={"pairs": pairs}).losses["spatial"] for pairs in ("exact", "moments"))
    assert np.allclose(exact, moments, atol=6e-4)


def test_losses_that_leave_the_finite_numbers_stop_the_fit(parts):
    matrix, *rest = parts
    matrix.data[0] = np.inf
    with pytest.raises(TrainingError, match="no longer finite in epoch 1"):
        fit(matrix, *rest)


def test_training_curve_is_the_recorded_one(parts, semantics):
    """`golden/semst_curve.json` was written by this very test's values on 21 November 2026 (torch 2.13, CPU)."""
    found = fit(*parts, semantics=semantics, seed=11).losses
    recorded = json.loads(GOLDEN.read_text())
    for name, values in recorded.items():
        assert np.allclose(found[name], values, rtol=1e-4), name


def test_a_resumed_fit_is_one_in_one_go(parts, tmp_path):
    whole = fit(*parts, epochs=6)
    place = {"path": tmp_path / "seed-0.pt", "stamp": "s"}

    def press_ctrl_c(epoch, losses):
        if epoch == 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(*parts, epochs=6, resumable=Resumable(**place), on_epoch=press_ctrl_c)
    resumed = fit(*parts, epochs=6, resumable=Resumable(**place, resume=True))
    assert resumed.losses == whole.losses
    assert np.array_equal(resumed.latent, whole.latent)


def test_a_checkpoint_of_a_later_epoch_is_refused(parts, tmp_path):
    place = {"path": tmp_path / "seed-0.pt", "stamp": "s"}
    fit(*parts, epochs=6, resumable=Resumable(**place, every=6))
    with pytest.raises(ConfigError, match="of epoch 6; expected at most 4.*--epochs 6 or more"):
        fit(*parts, epochs=4, resumable=Resumable(**place, resume=True))


def test_without_resume_a_checkpoint_is_not_read(parts, tmp_path):
    (tmp_path / "seed-0.pt").write_text("old")
    place = Resumable(path=tmp_path / "seed-0.pt", stamp="s", every=5)
    assert len(fit(*parts, resumable=place).losses["total"]) == 5
    assert (tmp_path / "seed-0.pt").stat().st_size > 1000


def test_threads_are_those_that_the_process_began_with():
    """Other libraries change the count under torch's feet, and with it the order of sums."""
    torch.set_num_threads(THREADS + 1)
    with repeatable(0, "cpu"):
        assert torch.get_num_threads() == THREADS
    assert torch.get_num_threads() == THREADS


def test_weight_decay_and_the_clipped_gradient_reach_the_step(parts):
    """Adam's first step goes by the sign of gradient + decay x weight: of decay alone, against the weight."""

    def against(name, **given):
        """Return the share of the weights that a step takes towards 0."""
        started = fit(*parts, epochs=1, lr=1e-12, weight_decay=0.0).weights[name]
        moved = fit(*parts, epochs=1, lr=1e-4, **given).weights[name] - started
        return float(((moved * started) < 0).float().mean())

    name = max(fit(*parts, epochs=1, lr=1e-12).weights.items(), key=lambda item: item[1].numel())[0]
    assert against(name, weight_decay=0.0) < 0.8
    assert against(name, weight_decay=1e6) > 0.99
    assert against(name, weight_decay=1e-3) < 0.8
    assert against(name, weight_decay=1e-3, clip_norm=1e-9) > 0.99
