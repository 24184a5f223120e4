import numpy as np
import pytest
import torch
from scipy import sparse, stats

from genesem_train.losses import NonZeros, dispersions, nb_nll


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    counts = torch.from_numpy(rng.poisson(1.0, size=(6, 4)).astype(float))
    counts[2] = 0
    index = counts.flatten().nonzero()[:, 0]
    logits, log_theta = torch.from_numpy(rng.normal(size=(6, 4))), torch.from_numpy(rng.normal(size=4))
    return counts, NonZeros(index=index, value=counts.flatten()[index]), logits, log_theta


def by_autograd(counts, logits, log_theta):
    """Return the formula as it is read: means are library times shares."""
    log_mean = logits.log_softmax(dim=1) + counts.sum(dim=1, keepdim=True).clamp(min=1e-3).log()
    return ((counts + log_theta.exp()) * log_mean.logaddexp(log_theta) - counts * log_mean).sum()


def test_differs_from_scipy_only_by_what_the_logits_do_not_change(case):
    counts, nonzeros, logits, log_theta = case

    def scipy_nll(logits):
        theta, library = log_theta.exp().numpy(), counts.sum(dim=1, keepdim=True).clamp(min=1e-3)
        means = (library * logits.softmax(dim=1)).numpy()
        return -stats.nbinom.logpmf(counts.numpy(), theta, theta / (theta + means)).sum()

    other = logits.flip(0) * 0.5
    expected = scipy_nll(logits) - scipy_nll(other)
    found = nb_nll(nonzeros, logits, log_theta) - nb_nll(nonzeros, other, log_theta)
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_gradient_against_finite_differences(case):
    _, nonzeros, logits, log_theta = case
    assert torch.autograd.gradcheck(lambda parts: nb_nll(nonzeros, parts, log_theta), [logits.requires_grad_()])


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-6), (torch.float64, 1e-13)], ids=["fp32", "fp64"])
@pytest.mark.parametrize("scale", [1.0, 60.0], ids=["usual", "shares down to nothing"])
def test_one_pass_is_what_autograd_finds(dtype, bound, scale):
    rng = np.random.default_rng(3)
    counts = torch.from_numpy(rng.poisson(0.3, size=(40, 70)) * rng.gamma(1.0, 3.0, size=(40, 1))).to(dtype)
    index = counts.flatten().nonzero()[:, 0]
    nonzeros = NonZeros(index=index, value=counts.flatten()[index])
    logits = torch.from_numpy(scale * rng.normal(size=counts.shape)).to(dtype).requires_grad_()
    log_theta = torch.from_numpy(rng.uniform(np.log(1e-2), np.log(1e2), size=70)).to(dtype)
    found, expected = nb_nll(nonzeros, logits, log_theta), by_autograd(counts, logits, log_theta)
    slope, wanted = (torch.autograd.grad(3 * value, logits)[0] for value in (found, expected))
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=bound)
    assert torch.allclose(slope, wanted, rtol=0, atol=bound * float(wanted.abs().max()))


def test_a_block_with_its_zeros(case):
    counts, nonzeros, _, _ = case
    assert torch.equal(nonzeros.dense(counts.shape), counts)


def test_dispersions_are_the_dense_moments():
    counts = np.random.default_rng(1).negative_binomial(2, 0.4, size=(500, 5)).astype(float)
    size = counts.sum(axis=1) / counts.sum(axis=1).mean()
    means = np.outer(size, counts.sum(axis=0) / size.sum())
    excess = ((counts - means) ** 2 - means).sum(axis=0) / (means**2).sum(axis=0)
    assert np.allclose(dispersions(sparse.csr_matrix(counts)), 1 / np.clip(excess, 1e-2, 1e2))


def test_dispersions_of_drawn_counts_are_found_again():
    rng = np.random.default_rng(2)
    theta, means = np.array([0.5, 2.0, 20.0] * 20), rng.gamma(2.0, 3.0, size=60)
    counts = rng.negative_binomial(theta, theta / (theta + means), size=(20_000, 60))
    assert np.allclose(dispersions(sparse.csr_matrix(counts.astype(float))), theta, rtol=0.3)
