"""Two heads on one trunk, and attention over the cells of a patient."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genesem_train.cells.config import HeadKind


@dataclass(frozen=True, kw_only=True)
class HeadLogits:
    """Logits of both tasks and the trunk's output that they were read from."""

    types: Float[Tensor, "cell type"]
    status: Float[Tensor, "cell status"]
    hidden: Float[Tensor, "cell hidden"]


class CellHeads(nn.Module):
    """Cell type and clinical status of a cell from its vector: a shared trunk and one linear head a task.

    Parameters
    ----------
    dim, n_types, n_status
        Length of a vector, number of classes; without a status `n_status` is 0 and its logits are empty.
    kind
        `mlp` puts one hidden layer in the trunk; `linear` has no trunk.
    """

    def __init__(
        self, dim: int, n_types: int, n_status: int, *, kind: HeadKind = "mlp", hidden: int = 128, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.trunk = (
            nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout))
            if kind == "mlp"
            else nn.Identity()
        )
        width = hidden if kind == "mlp" else dim
        self.type_head = nn.Linear(width, n_types)
        self.status_head = nn.Linear(width, n_status) if n_status else None

    def forward(self, vectors: Float[Tensor, "cell dim"]) -> HeadLogits:
        """Return the logits of each cell."""
        hidden = self.trunk(vectors)
        status = self.status_head(hidden) if self.status_head else hidden.new_zeros((len(hidden), 0))
        return HeadLogits(types=self.type_head(hidden), status=status, hidden=hidden)


class AttentionPool(nn.Module):
    """Status of a bag of cells: gated attention over its cells, then a linear head (Ilse et al. 2018, equation 9).

    Bags are given flat, each cell with the number of its bag, so memory grows with the cells, not with the largest bag.
    """

    def __init__(self, dim: int, n_status: int, *, hidden: int = 32) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden)
        self.content = nn.Linear(dim, hidden)
        self.score = nn.Linear(hidden, 1)
        self.head = nn.Linear(dim, n_status)

    def weights(
        self, cells: Float[Tensor, "cell dim"], bags: Int[Tensor, " cell"], n_bags: int
    ) -> Float[Tensor, " cell"]:
        """Return the attention of each cell; within a bag it sums to 1."""
        score = self.score(torch.tanh(self.content(cells)) * torch.sigmoid(self.gate(cells))).squeeze(-1)
        top = torch.full((n_bags,), -torch.inf).scatter_reduce(0, bags, score, "amax")
        # the largest score only keeps exp finite and cancels, so no gradient flows through it
        strength = torch.exp(score - top.detach()[bags])
        return strength / torch.zeros(n_bags).index_add(0, bags, strength)[bags]

    def forward(
        self, cells: Float[Tensor, "cell dim"], bags: Int[Tensor, " cell"], n_bags: int
    ) -> Float[Tensor, "bag status"]:
        """Return the logits of each bag; every bag from 0 to `n_bags` - 1 must hold a cell."""
        weights = self.weights(cells, bags, n_bags)
        pooled = torch.zeros((n_bags, cells.shape[1])).index_add(0, bags, weights[:, None] * cells)
        logits: Float[Tensor, "bag status"] = self.head(pooled)
        return logits
