import numpy as np
import pytest

from genesem_train.cells.neighbours import neighbour_means

VALUES = np.array([[0.0], [1.0], [2.0], [10.0]], dtype=np.float32)
LINE = np.array([[0.0, 0], [1, 0], [2.1, 0], [1.1, 0]])


def test_nearest_cells_of_the_same_image_are_averaged():
    found = neighbour_means(VALUES, LINE, np.array([0, 0, 0, 1]), k=1)
    assert found.ravel().tolist() == [1.0, 0.0, 1.0, 10.0]  # a cell alone in its image keeps its own


def test_an_image_with_too_few_cells_gives_what_it_has():
    found = neighbour_means(VALUES, LINE, np.zeros(4, dtype=int), k=50)
    assert found.ravel() == pytest.approx([13 / 3, 4.0, 11 / 3, 1.0])


def test_coincident_cells_are_neighbours_but_never_their_own():
    values = np.arange(6, dtype=np.float32)[:, None]
    found = neighbour_means(values, np.zeros((6, 2)), np.zeros(6, dtype=int), k=5)
    assert found.ravel() == pytest.approx((15 - np.arange(6)) / 5)
    few = neighbour_means(values, np.zeros((6, 2)), np.zeros(6, dtype=int), k=1)
    assert (few.ravel() != values.ravel()).all()
