import numpy as np
import pytest
import torch
from torch.nn.functional import elu

from genesem_train.models.backbones.stagate import Stagate, with_loops


def make(fusion="none", semantic_dim=12):
    torch.manual_seed(0)
    return Stagate(25, semantic_dim, hidden_dim=10, latent_dim=6, fusion=fusion)


def dense_attention(network, features, inputs):
    linked = torch.zeros(40, 40, dtype=torch.bool)
    linked[inputs.edges[1], inputs.edges[0]] = True
    linked |= torch.eye(40, dtype=torch.bool)
    given, taken = features @ network.attention.source[0], features @ network.attention.target[0]
    score = torch.sigmoid(taken[:, None] + given[None])
    return score.masked_fill(~linked, -torch.inf).softmax(dim=1)


def test_autoencoder_by_dense_algebra(inputs):
    network = make()
    values = inputs.values.matrix.to_dense()
    attention = dense_attention(network, values @ network.outer, inputs)
    bottleneck = elu(attention @ values @ network.outer) @ network.inner
    rebuilt = elu(attention @ bottleneck @ network.inner.T) @ network.outer.T
    latents = network(inputs)
    assert torch.allclose(latents.final, bottleneck, atol=1e-5)
    found = network.losses(inputs, latents)["reconstruction"]
    assert float(found.detach()) == pytest.approx(float((rebuilt - values).square().mean().detach()), rel=1e-5)


def test_shares_into_a_spot_add_up_to_one(inputs):
    network, edges = make(), with_loops(inputs)
    shares = network.attention.shares(inputs.values @ network.outer, edges)
    sums = torch.zeros(40).index_add_(0, edges[1], shares.detach())
    assert torch.allclose(sums, torch.ones(40))


@pytest.mark.parametrize("fusion", ["fsm", "concat", "none"])
def test_semantics_enter_at_the_bottleneck(inputs, fusion):
    network = make(fusion)
    latents = network(inputs)
    assert latents.final.shape == (40, 6)
    assert torch.equal(latents.final, latents.views["spatial"]) == (fusion == "none")
    sum(network.losses(inputs, latents).values()).backward()
    assert all(part.grad is not None for part in network.parameters())


def test_permuting_spots_permutes_the_latent(slide, make_slide_inputs):
    values, coords, semantics = slide
    turned = np.random.default_rng(1).permutation(40)
    network = make("fsm")
    first = network(make_slide_inputs(values, coords, semantics))
    second = network(make_slide_inputs(values[turned], coords[turned], semantics[turned]))
    assert torch.allclose(second.final, first.final[turned], atol=1e-5)
