import numpy as np
import pytest

from genesem_train.n_domains import _peak, choose_n_domains


@pytest.mark.parametrize("n_blobs", [4, 6])
def test_the_number_of_blobs_is_found(n_blobs):
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(n_blobs)
    curve = choose_n_domains(centres[rng.integers(0, n_blobs, 400)] + rng.normal(size=(400, n_blobs)), range(2, 10))
    assert curve.best == n_blobs
    assert len(curve.n_domains) == len(curve.mean) == len(curve.sd) == 8


def test_the_curve_repeats():
    values = np.random.default_rng(0).normal(size=(100, 3))
    assert choose_n_domains(values, range(2, 6)) == choose_n_domains(values, range(2, 6))


def test_numbers_beyond_the_subsets_are_not_tried():
    values = np.random.default_rng(0).normal(size=(10, 2))
    assert choose_n_domains(values, range(2, 30)).n_domains == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("means", "expected"), [([0.9, 0.5, 0.8, 0.6, 0.7, 0.1], 2), ([0.9, 0.8, 0.7], 0), ([0.1, 0.2], 1)]
)
def test_peak(means, expected):
    assert _peak(means) == expected
