import numpy as np

from genesem_embed.texts.cells.detection import detected_markers

IMAGE = np.array([0, 0, 0, 1, 1, 1])


def test_intensities_have_their_floor_at_zero():
    values = np.array([[0.0, 2], [1, 0], [3, 4], [0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(detected_markers(values, IMAGE, None), values > 0)


def test_standardised_values_have_a_floor_that_cells_share():
    values = np.array([[-1.0, 2], [-1, -2], [3, 4], [-0.5, 0], [-0.5, 1], [-0.1, 2]])
    expected = [[0, 1], [0, 1], [1, 1], [0, 1], [0, 1], [1, 1]]
    np.testing.assert_array_equal(detected_markers(values, IMAGE, None), np.array(expected, dtype=bool))


def test_training_cells_do_not_see_the_floor_of_test_cells():
    values = np.array([[-1.0], [-1], [3], [-5], [-5], [2]])
    training = np.array([True, True, True, False, False, False])
    together = np.zeros(6, dtype=np.intp)
    assert detected_markers(values, together, training)[:, 0].tolist() == [False, False, True, False, False, True]
    assert detected_markers(values, together, None)[:, 0].tolist() == [True, True, True, False, False, True]
