import numpy as np
import torch

from genesem_train.graphs import propagation, spatial_graph

LINE = np.array([[0.0, 0], [1, 0], [2, 0]])


def test_row_propagation_by_hand():
    graph = spatial_graph(LINE, kind="radius", radius=1.0)
    assert torch.allclose(
        propagation(graph).matrix.to_dense(),
        torch.tensor([[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]]),
    )


def test_row_propagation_with_the_spot_counted_twice():
    graph = spatial_graph(LINE, kind="radius", radius=1.0)
    weights = propagation(graph, self_weight=2.0).matrix.to_dense()
    assert torch.allclose(weights, torch.tensor([[2 / 3, 1 / 3, 0], [1 / 4, 2 / 4, 1 / 4], [0, 1 / 3, 2 / 3]]))


def test_symmetric_propagation_by_hand():
    weights = propagation(spatial_graph(LINE, kind="radius", radius=1.0), norm="symmetric")
    degrees = torch.tensor([2.0, 3.0, 2.0])
    linked = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    assert torch.allclose(weights.matrix.to_dense(), linked / torch.sqrt(degrees[:, None] * degrees))
    assert torch.allclose(weights.transpose.to_dense(), weights.matrix.to_dense().T)
