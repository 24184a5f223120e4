import math

import numpy as np
import pytest
import torch

from genesem_train.losses import spatial_loss
from genesem_train.losses.spatial import CONSTANT, MOMENTS_BOUND, QUADRATIC, pair_moments
from genesem_train.sparse import SparseMatrix


@pytest.fixture
def case():
    latent = torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = [(i, j) for i in range(12) for j in range(12) if i != j and (i - j) % 5 in (1, 4)]
    ones = torch.zeros(12, 12, dtype=torch.float64)
    ones[tuple(torch.tensor(pairs).T)] = 1
    return latent.requires_grad_(), SparseMatrix(ones.to_sparse_csr())


def log_sigmoid(x):
    return -math.log1p(math.exp(-x))


def by_loops(latent, neighbours):
    unit = latent.detach().numpy() / np.linalg.norm(latent.detach().numpy(), axis=1, keepdims=True)
    linked = {tuple(pair) for pair in neighbours.matrix.to_dense().nonzero().tolist()}
    near = sum(log_sigmoid(unit[i] @ unit[j]) for i, j in linked)
    rest = [(i, j) for i in range(12) for j in range(12) if i != j and (i, j) not in linked]
    return near, sum(log_sigmoid(-(unit[i] @ unit[j])) for i, j in rest)


def test_paper_form_is_the_printed_sum(case):
    near, far = by_loops(*case)
    assert float(spatial_loss(*case, form="paper").detach()) == pytest.approx(-(near + far))


def test_released_form_is_half_the_mean_with_a_zero_diagonal(case):
    near, far = by_loops(*case)
    expected = -0.5 * (near + far + 12 * math.log(0.5)) / 12**2
    assert float(spatial_loss(*case, form="released").detach()) == pytest.approx(expected)


@pytest.mark.parametrize("method", ["exact", "moments"])
def test_gradient_against_finite_differences(case, method):
    latent, neighbours = case
    assert torch.autograd.gradcheck(lambda z: spatial_loss(z, neighbours, form="paper", method=method), [latent])


def test_tiles_do_not_change_the_loss(case, monkeypatch):
    latent, neighbours = case
    whole = spatial_loss(latent, neighbours, form="released")
    monkeypatch.setattr("genesem_train.losses.spatial.TILE_BYTES", 8 * 12 * 5)
    tiled = spatial_loss(latent, neighbours, form="released")
    assert float(tiled.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
    slopes = [torch.autograd.grad(loss, latent)[0] for loss in (whole, tiled)]
    assert torch.allclose(*slopes)


def test_moments_keep_their_bound_on_every_cosine():
    cosine = np.linspace(-1, 1, 20_001)
    quadratic = CONSTANT - cosine / 2 + QUADRATIC * cosine**2
    assert np.abs(quadratic + np.log1p(np.exp(cosine))).max() <= MOMENTS_BOUND


def test_moments_are_the_quadratic_summed_over_pairs(case):
    unit = torch.nn.functional.normalize(case[0].detach(), dim=1)
    cosine = (unit @ unit.T)[~torch.eye(12, dtype=bool)]
    expected = (CONSTANT - cosine / 2 + QUADRATIC * cosine**2).sum()
    assert float(pair_moments(unit)) == pytest.approx(float(expected))


def test_moments_against_tiles_within_the_bound(case):
    latent, neighbours = case
    exact, moments = (spatial_loss(latent, neighbours, form="paper", method=how) for how in ("exact", "moments"))
    assert abs(float((exact - moments).detach())) <= MOMENTS_BOUND * 12 * 11
