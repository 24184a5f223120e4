import torch
from scipy import sparse

from genesem_train.sparse import SparseMatrix


def test_product_and_gradient_are_those_of_the_dense_matrix():
    matrix = sparse.random(7, 5, 0.4, random_state=0, format="csr")
    constant = SparseMatrix.from_scipy(matrix)
    dense = torch.from_numpy(matrix.toarray()).float()
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (constant @ weights).square().sum().backward()
    assert torch.allclose(constant @ weights, dense @ weights)
    assert torch.allclose(weights.grad, 2 * dense.T @ (dense @ weights), atol=1e-6)
    assert constant.shape == (7, 5)
