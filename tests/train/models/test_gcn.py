import numpy as np
import pytest
import torch
from scipy import sparse

from genesem_train.graphs import propagation, spatial_graph
from genesem_train.models.gcn import GraphConvolution, ViewEncoder
from genesem_train.sparse import SparseMatrix


@pytest.fixture
def slide():
    rng = np.random.default_rng(0)
    values = sparse.csr_matrix(rng.poisson(0.5, size=(30, 8)).astype(np.float32))
    graph = spatial_graph(rng.uniform(size=(30, 2)), kind="knn", k=4)
    return values, graph


def test_graph_convolution_is_that_of_pyg(slide):
    values, graph = slide
    from torch_geometric.nn import GCNConv  # after genesem_train.pyg, which imports PyG quietly

    layer = GraphConvolution(8, 3)
    theirs = GCNConv(8, 3)
    with torch.no_grad():
        theirs.lin.weight.copy_(layer.weight.T)
        theirs.bias.copy_(layer.bias)
    edges = torch.from_numpy(np.stack(graph.nonzero()))
    weights = propagation(graph, norm="symmetric")
    expected = theirs(torch.from_numpy(values.toarray()), edges)
    assert torch.allclose(layer(SparseMatrix.from_scipy(values), weights), expected, atol=1e-6)
    assert torch.allclose(layer(torch.from_numpy(values.toarray()), weights), expected, atol=1e-6)


def test_initialisation_is_uniform_within_the_root_of_the_width():
    layer = GraphConvolution(50, 16)
    drawn = torch.cat([layer.weight.flatten(), layer.bias]).detach()
    assert drawn.abs().max() <= 0.25
    assert drawn.std() == pytest.approx(0.25 / np.sqrt(3), rel=0.1)


def test_view_encoder_by_hand(slide):
    values, graph = slide
    weights = propagation(graph)
    encoder = ViewEncoder(8, 5, 2)
    spread, dense = weights.matrix.to_dense(), torch.from_numpy(values.toarray())
    hidden = (spread @ dense @ encoder.first.weight + encoder.first.bias).clamp(min=0)
    expected = spread @ hidden @ encoder.second.weight + encoder.second.bias
    assert torch.allclose(encoder(SparseMatrix.from_scipy(values), weights), expected, atol=1e-6)
