import numpy as np

from genesem_train.improved.affine import AffineMap


def test_a_map_about_a_mean_by_hand():
    found = AffineMap.about(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [2.0, 3.0]]))
    assert np.allclose(found(np.array([[1.0, 2.0], [2.0, 4.0]])), [[0, 0], [5, 6]])


def test_round_trip():
    learnt = AffineMap.about(np.array([1.0, 2.0]), np.array([[1.0], [2.0]]))
    tensors = learnt.tensors("place/of")
    assert sorted(tensors) == ["place/of/matrix", "place/of/offset"]
    again = AffineMap.from_tensors(tensors, "place/of")
    assert np.array_equal(again.matrix, learnt.matrix)
    assert np.array_equal(again.offset, learnt.offset)
