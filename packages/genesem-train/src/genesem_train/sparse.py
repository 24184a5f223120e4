"""Products of a fixed sparse matrix with what is learned.

torch differentiates a sparse product by transposing the matrix in every backward pass. Values and graphs never change
during a fit, so the transpose is kept, which makes the backward pass about four times as fast. On a CPU a wide dense
matrix is taken in slices of columns that stay in the cache while a graph's edges read their rows in any order.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

CACHED_BYTES = 2**22
"""Of a dense matrix that a CPU reads in any order at little cost."""
LEAST_COLUMNS = 16
"""Of a slice: below, the matrix's own entries are read too often."""


@dataclass(frozen=True)
class SparseMatrix:
    """A constant matrix, ready for products in both directions."""

    matrix: Float[Tensor, "row column"]

    @classmethod
    def from_scipy(cls, matrix: sparse.spmatrix) -> Self:
        """Return `matrix` as float32 CSR tensors."""
        return cls(_csr_tensor(sparse.csr_matrix(matrix, dtype=np.float32)))

    @cached_property
    def transpose(self) -> Float[Tensor, "column row"]:
        """The other way round, made when it is first needed."""
        parts = (self.matrix.values(), self.matrix.col_indices(), self.matrix.crow_indices())
        csr = sparse.csr_matrix(tuple(part.cpu().numpy() for part in parts), shape=tuple(self.shape))
        return _csr_tensor(csr.T.tocsr()).to(self.matrix.device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes without the transpose."""
        parts = (self.matrix.crow_indices(), self.matrix.col_indices(), self.matrix.values())
        return _from_parts, (type(self), *parts, tuple(self.shape))

    def rows(self, start: int, stop: int) -> Self:
        """Return the rows from `start` to `stop`, in memory of their own."""
        pointers = self.matrix.crow_indices()[start : stop + 1]
        entries = slice(int(pointers[0]), int(pointers[-1]))
        parts = (
            pointers - pointers[0],
            self.matrix.col_indices()[entries].clone(),
            self.matrix.values()[entries].clone(),
        )
        return type(self)(_csr(*parts, (stop - start, self.shape[1])))

    @property
    def shape(self) -> torch.Size:
        """Rows and columns."""
        return self.matrix.shape

    def to(self, device: torch.device | str) -> Self:
        """Return the matrix on `device`."""
        return self if self.matrix.device == torch.device(device) else type(self)(self.matrix.to(device))

    def __matmul__(self, dense: Float[Tensor, "column dim"]) -> Float[Tensor, "row dim"]:
        """Return the product with a dense matrix, differentiable in the latter."""
        return sparse_product(self.matrix, self.transpose, dense)


def sparse_product(matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:
    """Return a constant sparse matrix times a dense one, differentiable in the latter through the kept transpose."""
    product: Tensor = _Product.apply(matrix, transpose, dense)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transpose: Tensor, dense: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        ctx.save_for_backward(transpose)
        return _product(matrix, dense)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:  # noqa: ANN401 (torch's context)
        return None, None, _product(ctx.saved_tensors[0], gradient)


def _product(matrix: Tensor, dense: Tensor) -> Tensor:
    rows, columns = dense.shape
    width = max(LEAST_COLUMNS, CACHED_BYTES // max(rows * dense.element_size(), 1))
    if dense.device.type != "cpu" or width >= columns:
        return matrix @ dense
    product = dense.new_empty(len(matrix), columns)
    for start in range(0, columns, width):
        product[:, start : start + width] = matrix @ dense[:, start : start + width].contiguous()
    return product


def _csr_tensor(csr: sparse.csr_matrix) -> Tensor:
    csr.sort_indices()
    whole = np.int32 if csr.nnz < 2**31 else np.int64  # what MKL takes without a copy
    starts, columns = (torch.from_numpy(part.astype(whole)) for part in (csr.indptr, csr.indices))
    return _csr(starts, columns, torch.from_numpy(csr.data), csr.shape)


def _from_parts(
    kind: type[SparseMatrix], starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]
) -> SparseMatrix:
    return kind(_csr(starts, columns, values, shape))


def _csr(starts: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, columns, values, shape, check_invariants=False)
