import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from genesem_train.domains import (
    agreement,
    by_size,
    consensus,
    gmm_domains,
    joint_domains,
    kmeans_domains,
    match_labels,
    vote_smooth,
)

TRUTH = np.repeat([0, 1, 2], [50, 30, 20])


def spoiled(seed, share):
    rng = np.random.default_rng(seed)
    names = rng.permutation(3)
    return np.where(rng.random(100) < share, rng.integers(0, 3, 100), names[TRUTH])


def test_kmeans_finds_blobs_and_names_them_by_size():
    centres = np.array([[0, 0], [10, 0], [0, 10]])
    latent = (centres[TRUTH] + np.random.default_rng(0).normal(size=(100, 2))).astype(np.float32)
    assert np.array_equal(kmeans_domains(latent, 3, seed=0), TRUTH)


def test_kmeans_is_the_same_for_the_same_seed():
    latent = np.random.default_rng(0).normal(size=(100, 4))
    assert np.array_equal(kmeans_domains(latent, 5, seed=3), kmeans_domains(latent, 5, seed=3))


@pytest.fixture
def elongated():
    """Three long, thin clouds side by side, of very different size: what one covariance for all describes."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(100, 2)) * [3.0, 0.3] + np.stack([np.zeros(100), 3.0 * TRUTH], axis=1)


def test_a_mixture_finds_domains_that_share_a_long_covariance(elongated):
    assert adjusted_rand_score(TRUTH, kmeans_domains(elongated, 3, seed=0)) < 0.9
    assert np.array_equal(gmm_domains(elongated, 3, seed=0), TRUTH)


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_a_mixture_sees_no_units(elongated, factor):
    assert np.array_equal(gmm_domains(factor * elongated + factor, 3, seed=0), TRUTH)


def test_a_mixture_of_a_latent_that_lies_in_a_plane(elongated):
    flat = np.concatenate([elongated, elongated, np.zeros((100, 3))], axis=1)
    assert np.array_equal(gmm_domains(flat, 3, seed=0), TRUTH)


def test_consensus_is_better_than_what_it_is_made_of():
    labellings = [spoiled(seed, 0.4) for seed in range(9)]
    domains, confidence = consensus(labellings, 3)
    single = [adjusted_rand_score(TRUTH, labelling) for labelling in labellings]
    assert adjusted_rand_score(TRUTH, domains) > max(single)
    assert confidence.min() >= 0
    assert confidence.mean() == pytest.approx(0.73, abs=0.05)  # 0.6 kept, a third of the rest right by luck


def test_consensus_needs_neither_names_nor_order():
    labellings = [spoiled(seed, 0.3) for seed in range(5)]
    domains, confidence = consensus(labellings, 3)
    renamed, other = consensus([2 - labelling for labelling in labellings[::-1]], 3)
    assert np.array_equal(domains, renamed)
    assert np.allclose(confidence, other)


def test_confidence_by_hand():
    steady = np.array([0, 0, 0, 1, 1, 1])
    domains, confidence = consensus([steady, 1 - steady, np.array([0, 0, 1, 1, 1, 1])], 2)
    assert adjusted_rand_score(domains, steady) == 1
    assert np.allclose(confidence, [1, 1, 2 / 3, 1, 1, 1])


def test_a_consensus_of_labellings_with_too_few_domains_has_as_few():
    labels = np.array([0, 0, 0, 1, 1, 2])
    domains, agreeing = consensus([labels, labels], 5)
    assert domains.tolist() == labels.tolist()
    assert (agreeing == 1).all()


def test_consensus_of_one_is_itself():
    domains, confidence = consensus([2 - TRUTH], 3)
    assert np.array_equal(domains, TRUTH)
    assert np.all(confidence == 1)


def test_labels_are_matched_one_to_one():
    reference = np.array([0, 0, 0, 1, 1, 2])
    assert np.array_equal(match_labels(np.array([5, 5, 3, 3, 3, 9]), reference), [0, 0, 1, 1, 1, 2])
    assert np.array_equal(match_labels(np.array([5, 5, 5, 6, 7, 8]), reference), [0, 0, 0, 1, -1, 2])


def test_votes_on_a_line():
    coords = np.stack([np.arange(7.0), np.zeros(7)], axis=1)
    domains = np.array([0, 0, 1, 0, 1, 1, 1])
    assert np.array_equal(vote_smooth(domains, coords, 2), [0, 0, 0, 1, 1, 1, 1])


def test_a_tied_vote_keeps_what_was():
    coords = np.array([[0.0, 0], [1, 0], [2.5, 0]])
    assert np.array_equal(vote_smooth(np.array([1, 1, 0]), coords, 2), [1, 1, 1])
    assert np.array_equal(vote_smooth(np.array([0, 1, 2]), coords, 2), [1, 0, 0])


def test_domains_are_named_by_size():
    assert np.array_equal(by_size(np.array([4, 7, 7, 2, 7, 2])), [2, 0, 0, 1, 0, 1])


def test_joint_domains_weigh_latents_alike_and_keep_distances():
    rng = np.random.default_rng(0)
    near, far = rng.normal(size=(100, 2)), rng.normal(size=(100, 2))
    near[:, 0] += 6.0 * (TRUTH == 1)
    far[:, 0] += 6.0 * (TRUTH == 2)  # neither latent alone tells three domains apart
    assert adjusted_rand_score(TRUTH, kmeans_domains(near, 3, seed=0)) < 0.7
    domains = joint_domains([near, 1e3 * far + 5.0], 3)
    assert adjusted_rand_score(TRUTH, domains) > 0.95
    assert np.array_equal(domains, joint_domains([near, far], 3))


def test_agreement_by_hand():
    domains = np.array([0, 0, 0, 1, 1])
    labellings = [np.array([1, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 1])]
    assert np.array_equal(agreement(labellings, domains), [1, 1, 0.5, 1, 1])
