"""Settings reach the network and the graphs that they name; each is seen in what is computed, not in a copy of it."""

import numpy as np
import pytest
import torch
from scipy import sparse

from genesem_train.config import load_preset
from genesem_train.models import SemST
from genesem_train.models.backbones.semst import EXACT_PAIRS
from genesem_train.models.backbones.stagate import Stagate
from genesem_train.networks import make_network, make_slide_inputs


@pytest.fixture
def config():
    return load_preset("default", "x.h5ad").with_values("model", hidden_dim=8, latent_dim=4)


@pytest.fixture
def slide():
    """Values, coordinates and semantics of thirty spots."""
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(rng.poisson(1.0, size=(30, 12)).astype(np.float32))
    return values, rng.uniform(size=(30, 2)), rng.normal(size=(30, 6))


@pytest.mark.parametrize(
    ("wanted", "n_spots", "expected"),
    [
        *[("auto", EXACT_PAIRS, "exact"), ("auto", EXACT_PAIRS + 1, "moments")],
        *[("exact", 100_000, "exact"), ("moments", 10, "moments")],
    ],
)
def test_pairs_go_by_the_size_of_the_slide_unless_said_otherwise(config, wanted, n_spots, expected):
    assert make_network(config.with_values("loss", pairs=wanted), 12, 6, n_spots).pairs == expected


def test_form_and_weights_of_the_losses(config, slide):
    settings = config.with_values("graph", spatial="knn", spatial_k=4, feature_k=3)
    inputs, _ = make_slide_inputs(settings, *slide)
    terms = {}
    for form in ("released", "paper"):
        torch.manual_seed(0)
        network = make_network(config.with_values("loss", form=form, spatial=0.7, correlation=0.3), 12, 6, 30)
        assert dict(network.loss_weights) == {"zinb": 1.0, "spatial": 0.7, "correlation": 0.3}
        terms[form] = {name: float(term.detach()) for name, term in network.losses(inputs, network(inputs)).items()}
    paper, released = terms["paper"], terms["released"]
    # sums against halved means over all pairs, a spot having cosine 0 with itself; entries: sums against means + ridge
    assert released["spatial"] == pytest.approx(0.5 * (paper["spatial"] + 30 * np.log(2)) / 30**2, rel=1e-5)
    assert paper["zinb"] / 360 < released["zinb"] < paper["zinb"] / 360 + 0.05
    assert released["correlation"] > paper["correlation"]


@pytest.mark.parametrize(
    ("change", "row_sums"),
    [
        ({"propagation": "row"}, True),
        ({"propagation": "row", "self_weight": 2.0}, True),
        ({"propagation": "symmetric"}, False),
    ],
    ids=["row", "self-twice", "symmetric"],
)
def test_propagation_of_the_two_views(config, slide, change, row_sums):
    inputs, _ = make_slide_inputs(
        config.with_values("graph", spatial="knn", spatial_k=4, feature_k=3, **change), *slide
    )
    for view in (inputs.spatial, inputs.feature):
        weights = view.matrix.to_dense()
        assert torch.allclose(weights.sum(dim=1), torch.ones(30)) == row_sums
        assert torch.allclose(weights, weights.T, atol=1e-6) != row_sums
    spatial = inputs.spatial.matrix.to_dense()
    if change.get("self_weight") == 2.0:  # as the released code has it on DLPFC: a spot counts twice
        degree = (spatial[0] > 0).sum() - 1
        assert float(spatial[0, 0]) == pytest.approx(2 / (2 + float(degree)))


@pytest.mark.parametrize("preset", ["default", "stagate"])
@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_every_fusion_goes_with_the_widths_of_a_preset(slide, preset, fusion):
    settings = load_preset(preset, "demo").with_values("model", fusion=fusion)
    settings = settings.with_values("graph", spatial="knn", spatial_k=4)
    inputs, _ = make_slide_inputs(settings, *slide)
    network = make_network(settings, inputs.values.shape[1], inputs.semantics.shape[1], inputs.n_spots)
    assert network(inputs).final.shape == (inputs.n_spots, settings.model.latent_dim)


def test_settings_of_a_network_and_its_graphs_reach_them(config, slide):
    model = config.with_values("model", mixing="paper", modulator_ratio=0.25, hidden_dim=24, latent_dim=8)
    network = make_network(model.with_values("loss", zinb=0.5, spatial=0.0), 12, 6, 30)
    assert isinstance(network.latent, torch.nn.Linear)
    assert network.fusion.modulator[0].out_features == 2
    assert network.loss_weights["zinb"] == 0.5
    few, many = (config.with_values("graph", spatial="knn", spatial_k=k, feature_k=k) for k in (3, 6))
    for name in ("spatial", "feature"):
        less, more = (getattr(make_slide_inputs(one, *slide)[0], name).matrix._nnz() for one in (few, many))
        assert less < more


@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_backbone_and_fusion(config, fusion):
    network = make_network(config.with_values("model", fusion=fusion), 12, 6, 30)
    assert isinstance(network, SemST)
    assert (network.fusion is None) == (fusion == "none")
    other = make_network(config.with_values("model", fusion=fusion, backbone="stagate"), 12, 6, 30)
    assert isinstance(other, Stagate)
    assert type(other.fusion) is type(network.fusion)
