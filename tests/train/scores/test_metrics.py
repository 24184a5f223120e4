import numpy as np
import pandas as pd
import pytest

from genesem_train.scores.metrics import label_free, score


def test_scores_by_hand():
    truth = pd.Categorical(["a", "a", "a", "b", "b", "b", None, None])
    found = score(np.array([1, 1, 0, 0, 0, 0, 1, 2]), truth)
    assert found["acc"] == pytest.approx(100 * 5 / 6)
    assert found["f1_macro"] == pytest.approx(100 * (0.8 + 6 / 7) / 2)
    assert found["f1_weighted"] == pytest.approx(found["f1_macro"])  # both labels have three spots
    assert found["ari"] == pytest.approx(
        100 * (4 - 2.8) / (6.5 - 2.8)
    )  # pairs together: 4; expected 6 * 7 / 15; mean 6.5


def test_weighted_f1_weighs_by_spots():
    truth = pd.Categorical(["a"] * 8 + ["b"] * 2)
    found = score(np.array([0] * 7 + [1] * 3), truth)
    assert found["f1_weighted"] == pytest.approx(100 * (0.8 * 14 / 15 + 0.2 * 0.8))


def test_a_perfect_labelling_scores_100_whatever_its_names():
    truth = pd.Categorical(list("aabbcc"))
    assert all(value == pytest.approx(100) for value in score(np.array([2, 2, 0, 0, 1, 1]), truth).values())


def test_a_domain_too_many_counts_as_wrong():
    truth = pd.Categorical(list("aaab"))
    assert score(np.array([0, 0, 1, 2]), truth)["acc"] == pytest.approx(75)


def test_unlabelled_spots_do_not_matter():
    truth = pd.Categorical(["a", "a", "b", "b", None])
    assert score(np.array([0, 0, 1, 1, 5]), truth) == score(np.array([0, 0, 1, 1, 0]), truth)


@pytest.fixture
def halves():
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    return grid, (grid[:, 0] >= 5).astype(int)


def test_label_free_scores_of_two_halves(halves):
    coords, domains = halves
    scores = label_free(domains[:, None] * 10.0 + coords[:, :1] / 100, domains, coords)
    assert scores["pas"] == 0
    assert scores["chaos"] == pytest.approx(1 / coords[:, 0].std())
    assert scores["silhouette"] > 0.95


def test_scattered_domains_score_worse(halves):
    coords, domains = halves
    scattered = np.random.default_rng(0).permutation(domains)
    assert label_free(coords, scattered, coords)["pas"] > 0.2
    assert label_free(coords, scattered, coords)["chaos"] > label_free(coords, domains, coords)["chaos"]


def test_a_domain_that_the_sample_misses_costs_the_silhouette_alone():
    coords = np.random.default_rng(0).random((5_100, 2))
    left_out = np.random.default_rng(0).permutation(5_100)[5_000:]  # as the sample is drawn
    domains = np.zeros(5_100, dtype=int)
    domains[left_out] = 1
    assert set(label_free(coords, domains, coords)) == {"chaos", "pas"}


def test_one_domain_has_no_silhouette(halves):
    coords, domains = halves
    assert set(label_free(coords, 0 * domains, coords)) == {"chaos", "pas"}
