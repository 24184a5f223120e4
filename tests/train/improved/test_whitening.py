import numpy as np
import pytest

from genesem_train.improved.whitening import whiten


def test_whitened_semantics_have_unit_variance_and_no_common_part():
    vectors = 5 + np.random.default_rng(0).normal(size=(300, 64)) * np.linspace(0.1, 3, 64)
    white, _ = whiten(vectors)
    assert white.shape == (300, 32)
    assert np.allclose(np.cov(white.T), np.eye(32), atol=1e-5)


@pytest.mark.parametrize("shape", [(500, 96), (100, 200), (20, 300)], ids=["many spots", "few spots", "very few"])
@pytest.mark.parametrize("decay", [0.0, 1.0], ids=["flat", "steep"])
def test_the_map_gives_the_whitened_vectors_again(shape, decay):
    """Of a flat spectrum, a randomised decomposition's scores are not what its components give."""
    vectors = 5 + np.random.default_rng(1).normal(size=shape) * np.arange(1.0, shape[1] + 1) ** -decay
    white, learnt = whiten(vectors)
    assert np.allclose(learnt(vectors), white, atol=1e-6)
    assert np.allclose(learnt(vectors[:3]), white[:3], atol=1e-6)


def test_vectors_of_one_direction_are_mapped_without_a_warning():
    vectors = np.outer(np.random.default_rng(2).normal(size=60), np.ones(40)).astype(np.float32)
    white, learnt = whiten(vectors)
    assert np.isfinite(white).all()
    assert np.isfinite(learnt(vectors)).all()
