"""One view of the slide: a two-layer graph convolution over given propagation weights (paper, equations 3 to 5)."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genesem_train.pyg import MessagePassing
from genesem_train.rows import ALL_ROWS, Rows
from genesem_train.sparse import SparseMatrix, sparse_product


class GraphConvolution(MessagePassing):  # type: ignore[misc]
    """P X W + b for propagation weights P that are fixed before training.

    The first layer takes X as a `SparseMatrix`; later layers take dense features. Of several processes each gives its
    own rows of X and of P, and gathers X W, which is narrow beside X.
    """

    def __init__(self, in_dim: int, out_dim: int, *, scaled_by: Literal["inputs", "outputs"] = "outputs") -> None:
        super().__init__(aggr="sum")
        self.bound = 1 / math.sqrt(out_dim if scaled_by == "outputs" else in_dim)
        self.weight = nn.Parameter(torch.empty(in_dim, out_dim))
        self.bias = nn.Parameter(torch.empty(out_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and bias uniformly within 1 / sqrt(outputs), as the released code does, or 1 / sqrt(inputs)."""
        nn.init.uniform_(self.weight, -self.bound, self.bound)
        nn.init.uniform_(self.bias, -self.bound, self.bound)

    def forward(
        self, features: SparseMatrix | Float[Tensor, "spot in_dim"], weights: SparseMatrix, rows: Rows = ALL_ROWS
    ) -> Float[Tensor, "spot out_dim"]:
        """Return the transformed features, spread over the graph."""
        everyone = rows.gather(features @ self.weight)
        spread: Tensor = self.propagate(weights.matrix, x=everyone, transpose=weights.transpose)
        return spread + self.bias

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor, transpose: Tensor) -> Tensor:
        """Return the product of weights and features without one message per edge."""
        return sparse_product(edge_index, transpose, x)


class ViewEncoder(nn.Module):
    """Two graph convolutions with a ReLU between them."""

    def __init__(self, n_genes: int, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.first = GraphConvolution(n_genes, hidden_dim)
        self.second = GraphConvolution(hidden_dim, latent_dim)

    def forward(
        self, values: SparseMatrix, weights: SparseMatrix, rows: Rows = ALL_ROWS
    ) -> Float[Tensor, "spot latent_dim"]:
        """Return the view's features of the spots at hand."""
        features: Tensor = self.second(torch.relu(self.first(values, weights, rows)), weights, rows)
        return features
