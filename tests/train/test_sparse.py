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


def test_a_wide_product_goes_in_slices_and_stays_the_same(monkeypatch):
    matrix = sparse.random(50, 40, 0.2, random_state=0, format="csr")
    constant = SparseMatrix.from_scipy(matrix)
    weights = torch.randn(40, 70, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (constant @ weights).square().sum().backward()
    whole, gradient = constant @ weights, weights.grad.clone()
    weights.grad = None
    monkeypatch.setattr("genesem_train.sparse.CACHED_BYTES", 40 * 4 * 20)  # 20 columns, so the last slice is short
    (constant @ weights).square().sum().backward()
    assert torch.allclose(constant @ weights, whole, rtol=1e-6, atol=1e-6)
    assert torch.allclose(weights.grad, gradient, rtol=1e-5, atol=1e-6)
