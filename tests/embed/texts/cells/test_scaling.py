import numpy as np
import pytest

from genesem_embed.texts.cells.scaling import resolve_scaling, scale, scale_within


@pytest.fixture
def values():
    return np.random.default_rng(0).gamma(1, 5, (40, 3))


def test_auto_leaves_standardised_values_alone(values):
    assert resolve_scaling(values, "auto") == "zscore"
    assert resolve_scaling(values - 1, "auto") == "raw"
    assert resolve_scaling(values, "p99") == "p99"


def test_zscore_is_that_of_asinh(values):
    expected = (np.arcsinh(values) - np.arcsinh(values).mean(0)) / np.arcsinh(values).std(0)
    np.testing.assert_allclose(scale(values, "zscore"), expected, atol=1e-6)


def test_p99_is_a_share_of_the_99th_percentile(values):
    scaled = scale(values, "p99")
    assert scaled.max() == 1
    np.testing.assert_allclose(scaled.min(0), values.min(0) / np.percentile(values, 99, axis=0), atol=1e-6)


@pytest.mark.parametrize("scaling", ["zscore", "p99"])
def test_cells_outside_the_fit_change_nothing_inside(values, scaling):
    fit_on = np.arange(40) < 25
    other = values.copy()
    other[~fit_on] *= 100
    np.testing.assert_array_equal(scale(values, scaling, fit_on)[fit_on], scale(other, scaling, fit_on)[fit_on])


def test_a_constant_marker_stays_finite():
    assert np.isfinite(scale(np.ones((5, 2)), "zscore")).all()
    assert np.isfinite(scale(np.zeros((5, 2)), "p99")).all()


def test_within_images_each_image_is_fitted_alone(values):
    image = np.repeat([0, 1], 20)
    found = scale_within(values, "zscore", image)
    np.testing.assert_array_equal(found[20:], scale(values[20:], "zscore"))
