import numpy as np
import pytest
import torch

from genesem_train.losses import correlation_loss, spatial_loss
from genesem_train.models import SemST


def make(**options):
    torch.manual_seed(0)
    return SemST(25, options.pop("semantic_dim", 12), hidden_dim=10, latent_dim=6, **options)


def test_shapes_and_gradients(inputs):
    network = make()
    latents = network(inputs)
    assert latents.final.shape == (40, 6)
    assert {name: tuple(view.shape) for name, view in latents.views.items()} == {"spatial": (40, 6), "feature": (40, 6)}
    sum(network.losses(inputs, latents).values()).backward()
    assert all(torch.isfinite(part.grad).all() for part in network.parameters())


@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_every_fusion_runs(inputs, fusion):
    assert make(fusion=fusion)(inputs).final.shape == (40, 6)


def test_without_semantics_the_views_go_straight_to_the_latent(inputs):
    network = make(semantic_dim=None)
    latents = network(inputs)
    assert torch.equal(latents.final, network.latent(torch.cat(list(latents.views.values()), dim=1)))
    assert network.modulation(inputs) is None


def test_the_papers_w_is_one_matrix(inputs):
    """Equation 9 by hand: ((1 + alpha) * Z + beta) W, without a bias."""
    network = make(mixing="paper")
    latents = network(inputs)
    alpha, beta = network.modulation(inputs)
    views = torch.cat(list(latents.views.values()), dim=1)
    weights = dict(network.named_parameters())["latent.weight"].T
    assert weights.shape == (12, 6)
    assert torch.allclose(latents.final, ((1 + alpha) * views + beta) @ weights, atol=1e-6)


def test_modulation_is_read_from_the_semantics(inputs):
    alpha, beta = make().modulation(inputs)
    assert alpha.shape == beta.shape == (40, 12)


def test_permuting_spots_permutes_the_latent(slide, make_slide_inputs):
    values, coords, semantics = slide
    turned = np.random.default_rng(1).permutation(40)
    network = make()
    first = network(make_slide_inputs(values, coords, semantics))
    second = network(make_slide_inputs(values[turned], coords[turned], semantics[turned]))
    assert torch.allclose(second.final, first.final[turned], atol=1e-5)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_losses_are_the_three_terms(inputs, form):
    network = make(loss_form=form)
    latents = network(inputs)
    terms = network.losses(inputs, latents)
    assert torch.equal(terms["spatial"], spatial_loss(latents.final, inputs.neighbours, form=form))
    assert torch.equal(
        terms["correlation"], correlation_loss(latents.views["spatial"], latents.views["feature"], form=form)
    )


def test_reconstruction_is_a_sum_in_the_paper_and_a_mean_in_the_code(inputs):
    released, paper = make(loss_form="released"), make(loss_form="paper")
    mean, total = (network.losses(inputs, network(inputs))["zinb"] for network in (released, paper))
    hidden = paper.decoder(paper(inputs).final)
    ridge = 0.05 * torch.sigmoid(paper.decoder.heads(hidden)[:, 50:]).square().mean()
    assert float((mean - ridge).detach()) == pytest.approx(float(total.detach()) / (40 * 25), rel=1e-5)
