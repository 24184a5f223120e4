import numpy as np
import pytest

from genesem_train.domains import by_size, gmm_domains, joint_domains, kmeans_domains
from genesem_train.prediction.centres import FittedDomains, domain_centres, nearest_domains

TRUTH = np.repeat([0, 1, 2], [50, 30, 20])


@pytest.fixture
def latents():
    """Two seeds' latents of three domains, of very different size."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(3, 4))
    return {
        seed: size * (centres[TRUTH] + rng.normal(size=(100, 4))) + place
        for seed, size, place in [(0, 1.0, 0.0), (7, 50.0, 9.0)]
    }


@pytest.fixture
def labellings(latents):
    return {seed: kmeans_domains(latent, 3, seed) for seed, latent in latents.items()}


def test_joint_centres_give_the_joint_domains_again(latents, labellings):
    consensus = joint_domains(list(latents.values()), 3)
    learnt = FittedDomains.learn(latents, labellings, consensus, joint=True)
    assert np.array_equal(learnt.together(latents, labellings), consensus)
    assert learnt.n_domains == 3


def test_a_seed_gets_its_own_domains_under_the_names_of_the_consensus(latents, labellings):
    learnt = FittedDomains.learn(latents, labellings, TRUTH, joint=False)
    for seed, latent in latents.items():
        found = learnt.of_seed(seed, latent)
        assert np.array_equal(by_size(found), labellings[seed])
        assert (found == TRUTH).mean() > 0.9


def test_without_joint_centres_seeds_vote(latents, labellings):
    learnt = FittedDomains.learn(latents, labellings, TRUTH, joint=False)
    votes = {0: np.array([0, 1, 2]), 7: np.array([0, 2, 2]), 8: np.array([1, 2, 0])}
    assert np.array_equal(learnt.together(latents, votes), [0, 2, 2])


def test_domains_of_a_mixture_are_measured_by_their_covariance():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(100, 2)) * [3.0, 0.3] + np.stack([np.zeros(100), 3.0 * TRUTH], axis=1)
    latent = latent @ np.array([[1.0, 0.3], [0.0, 1.0]])  # long domains that lie aslant
    own = {0: gmm_domains(latent, 3, seed=0)}
    tied, round_ = (FittedDomains.learn({0: latent}, own, TRUTH, joint=False, tied=tied) for tied in (True, False))
    assert np.array_equal(tied.of_seed(0, latent), TRUTH)
    assert (round_.of_seed(0, latent) != TRUTH).any()
    again = FittedDomains.from_tensors(tied.tensors())
    assert np.array_equal(again.of_seed(0, latent), TRUTH)


@pytest.mark.parametrize("joint", [True, False])
def test_round_trip(latents, labellings, joint):
    learnt = FittedDomains.learn(latents, labellings, TRUTH, joint=joint)
    again = FittedDomains.from_tensors(learnt.tensors())
    assert np.array_equal(again.together(latents, labellings), learnt.together(latents, labellings))
    for seed, latent in latents.items():
        assert np.array_equal(again.of_seed(seed, latent), learnt.of_seed(seed, latent))


def test_domains_follow_the_nearest_centre():
    readout = np.array([[0.0, 0], [1, 0], [10, 10], [12, 10]])
    centres = domain_centres(readout, np.array([1, 1, 0, 0]))
    assert np.allclose(centres, [[11, 10], [0.5, 0]])
    assert np.array_equal(nearest_domains(np.array([[9.0, 9], [1, 1], [11, 12]]), centres), [0, 1, 0])
