import numpy as np
import pytest
import torch
from scipy import sparse, stats

from genesem_train.losses import NonZeros, dispersions, nb_nll


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    counts = torch.from_numpy(rng.poisson(1.0, size=(6, 4)).astype(float))
    index = counts.flatten().nonzero()[:, 0]
    log_mean, log_theta = torch.from_numpy(rng.normal(size=(6, 4))), torch.from_numpy(rng.normal(size=4))
    return counts, NonZeros(index=index, value=counts.flatten()[index]), log_mean, log_theta


def test_differs_from_scipy_only_by_what_the_means_do_not_change(case):
    counts, nonzeros, log_mean, log_theta = case

    def scipy_nll(means):
        theta = log_theta.exp().numpy()
        return -stats.nbinom.logpmf(counts.numpy(), theta, theta / (theta + means.exp().numpy())).sum()

    other = log_mean.flip(0) * 0.5
    expected = scipy_nll(log_mean) - scipy_nll(other)
    found = nb_nll(nonzeros, log_mean, log_theta) - nb_nll(nonzeros, other, log_theta)
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_gradient_against_finite_differences(case):
    _, nonzeros, log_mean, log_theta = case
    assert torch.autograd.gradcheck(lambda m: nb_nll(nonzeros, m, log_theta), [log_mean.requires_grad_()])


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
