import numpy as np
import pytest
import torch
from scipy import special, stats

from genesem_train.losses.zinb import NonZeros, zinb_nll

SHAPE = (6, 9)


def heads(seed=0, scale=1.5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(SHAPE, generator=generator, dtype=dtype) for _ in range(3)]


def counts(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).poisson(1.0, SHAPE)).double()


def nonzeros(values):
    index = values.flatten().nonzero()[:, 0]
    return NonZeros(index=index, value=values.flatten()[index])


def scipy_nll(values, mean, dispersion, dropout):
    mu, theta = np.exp(mean.numpy()), special.log1p(np.exp(dispersion.numpy()))
    pi, x = special.expit(dropout.numpy()), values.numpy()
    counted = (1 - pi) * stats.nbinom.pmf(x, theta, theta / (theta + mu))
    return -np.log(np.where(x == 0, pi + counted, counted)), pi


@pytest.mark.parametrize("form", ["paper", "released"])
def test_likelihood_is_that_of_scipy(form):
    values, logits = counts(), heads()
    entries, pi = scipy_nll(values, *logits)
    expected = entries.sum() + (0.05 * (pi**2).sum() if form == "released" else 0)
    assert float(zinb_nll(nonzeros(values), torch.cat(logits, dim=1), form=form)) == pytest.approx(expected, rel=1e-12)


def test_one_entry_by_hand():
    one = torch.ones(1, 1, dtype=torch.float64)
    inverse_softplus_of_one = torch.log(torch.expm1(one))
    zero = torch.zeros_like(one)
    found = zinb_nll(nonzeros(one), torch.cat([zero, inverse_softplus_of_one, zero], dim=1), form="paper")
    assert float(found) == pytest.approx(-np.log(0.5 * 0.25))  # half dropped out; geometric of mean 1 gives 1/4


def test_real_values_follow_the_same_formula():
    values, logits = counts() * 0.37, heads(1)
    mu, theta = logits[0].exp(), torch.nn.functional.softplus(logits[1])
    pi, eps = torch.sigmoid(logits[2]), 1e-10
    gammas = torch.lgamma(theta + eps) + torch.lgamma(values + 1) - torch.lgamma(values + theta + eps)
    rest = (theta + values) * torch.log(1 + mu / (theta + eps)) + values * ((theta + eps).log() - (mu + eps).log())
    at_zero = -torch.log(pi + (1 - pi) * (theta / (theta + mu + eps)) ** theta + eps)
    released = torch.where(values < 1e-8, at_zero, gammas + rest - torch.log(1 - pi + eps)) + 0.05 * pi**2
    found = zinb_nll(nonzeros(values), torch.cat(logits, dim=1), form="released")
    assert float(found) == pytest.approx(float(released.sum()), rel=1e-7)


def test_extreme_logits_stay_finite():
    logits = torch.cat(heads(scale=80.0, dtype=torch.float32), dim=1).requires_grad_()
    total = zinb_nll(nonzeros(counts().float()), logits, form="released")
    (gradient,) = torch.autograd.grad(total, logits)
    assert torch.isfinite(total)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize("scale", [1.5, 12.0], ids=["inside", "partly out of bounds"])
def test_gradient_against_finite_differences(form, scale):
    logits, entries = torch.cat(heads(2, scale), dim=1).requires_grad_(), nonzeros(counts(2))
    assert torch.autograd.gradcheck(lambda parts: zinb_nll(entries, parts, form=form), [logits])
