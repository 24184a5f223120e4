import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from genesem_train.scores.separation import ari_difference, tissue_blocks


@pytest.fixture
def tissue():
    """Four vertical layers of a 40 x 30 grid."""
    x, y = (part.ravel().astype(float) for part in np.meshgrid(np.arange(40), np.arange(30)))
    return np.stack([x, y], axis=1), (x // 10).astype(np.int64)


def noisy(labels, share, seed):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(labels)) < share, rng.integers(0, 4, len(labels)), labels)


def test_the_difference_is_that_of_two_adjusted_rand_indices(tissue):
    coords, truth = tissue
    ours, theirs = noisy(truth, 0.2, 0), noisy(truth, 0.5, 1)
    annotation = truth.copy()
    annotation[::7] = -1
    known = annotation >= 0
    found = ari_difference(ours, theirs, annotation, coords)
    indices = [adjusted_rand_score(truth[known], labelling[known]) for labelling in (ours, theirs)]
    assert found.value == pytest.approx(100 * (indices[0] - indices[1]))
    assert found.low < found.value < found.high


def test_a_better_labelling_is_told_apart_and_an_equal_one_is_not(tissue):
    coords, truth = tissue
    better = ari_difference(noisy(truth, 0.1, 0), noisy(truth, 0.4, 1), truth, coords)
    assert better.low > 0
    alike = ari_difference(noisy(truth, 0.3, 0), noisy(truth, 0.3, 1), truth, coords)
    assert alike.low < 0 < alike.high
    same = ari_difference(truth, truth, truth, coords)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_errors_that_lie_together_make_a_wider_interval_than_scattered_ones(tissue):
    coords, truth = tissue
    patch = np.where((coords[:, 0] > 25) & (coords[:, 1] > 15), 0, truth)
    scattered = truth.copy()
    scattered[np.random.default_rng(0).permutation(len(truth))[: (patch != truth).sum()]] = 0
    widths = [
        (found.high - found.low)
        for found in (ari_difference(truth, wrong, truth, coords) for wrong in (patch, scattered))
    ]
    assert widths[0] > 1.5 * widths[1]


def test_blocks_are_compact_even_and_within_a_slide(tissue):
    coords, _ = tissue
    blocks = tissue_blocks(coords)
    sizes = np.bincount(blocks)
    assert len(sizes) == 100
    assert sizes.max() <= 2 * sizes.min() + 1
    extents = [np.ptp(coords[blocks == block], axis=0).max() for block in range(len(sizes))]
    assert max(extents) <= 8
    slide_of = (coords[:, 0] >= 13).astype(np.int64)
    blocks = tissue_blocks(coords, slide_of)
    assert all(len(np.unique(slide_of[blocks == block])) == 1 for block in range(blocks.max() + 1))


def test_a_handful_of_spots_still_has_an_interval():
    coords = np.arange(12.0).reshape(6, 2)
    found = ari_difference(np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, dtype=int), np.array([0, 0, 0, 1, 1, 1]), coords)
    assert found.value == pytest.approx(100)
