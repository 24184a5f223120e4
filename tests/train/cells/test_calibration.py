import numpy as np
import pytest
from scipy.special import softmax

from genesem_train.cells.calibration import calibration_error, fit_temperature, probabilities, reliability


def drawn(temperature, n=4000):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(n, 3)) * 2
    probs = softmax(logits, axis=1)
    return logits * temperature, np.array([rng.choice(3, p=row) for row in probs])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_logits_is_found(temperature):
    logits, targets = drawn(temperature)
    found = fit_temperature(logits, targets)
    assert found == pytest.approx(temperature, rel=0.1)
    assert calibration_error(probabilities(logits, found), targets) < 3.0


def test_overconfidence_is_measured_in_points():
    probs = np.tile([0.9, 0.1], (10, 1))
    assert calibration_error(probs, np.array([0] * 6 + [1] * 4)) == pytest.approx(30.0)


def test_unlabelled_cells_take_no_part():
    probs = np.tile([0.9, 0.1], (3, 1))
    confidence, accuracy, share = reliability(probs, np.array([0, -1, -1]))
    assert (confidence.tolist(), accuracy.tolist(), share.tolist()) == ([0.9], [1.0], [1.0])
    assert fit_temperature(np.ones((2, 2)), np.array([-1, -1])) == 1.0
