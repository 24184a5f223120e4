"""Ways to let semantics guide the features of a spot.

Every fusion is a plain ``nn.Module`` from features and semantics to features, with the width it returns as `out_dim`,
so that it drops into any model. `FineGrainedModulation` is the paper's (equations 7, 8 and the bracket of 9).
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

FusionName = Literal["fsm", "concat", "add", "cross-attention", "none"]


class Fusion(nn.Module):
    """Features and semantics to features."""

    out_dim: int
    """Width of what it returns."""


class FineGrainedModulation(Fusion):
    """FSM: (1 + alpha) * features + beta, where one network reads alpha and beta from the semantics.

    Parameters
    ----------
    dim
        Width of the features.
    semantic_dim
        Width of the semantic vectors.
    head_dim
        Width of the semantic head, by default `dim`. The released SemST has the latent width, half of `dim`.
    bottleneck_dim
        Width of the modulator's hidden layer, by default half of `head_dim`. The released SemST has `head_dim` times
        its ratio.
    identity
        Start with alpha and beta at 0, so that semantics come in only where they lower the loss. The released SemST
        starts at random.

    Examples
    --------
    In a PyG network of your own, whose features are 16 wide, with semantic vectors 384 wide:

    >>> import torch
    >>> from torch_geometric.nn import SAGEConv
    >>> class MyNetwork(torch.nn.Module):
    ...     def __init__(self, n_genes):
    ...         super().__init__()
    ...         self.conv = SAGEConv(n_genes, 16)
    ...         self.fsm = FineGrainedModulation(16, 384)
    ...         self.decode = torch.nn.Linear(16, n_genes)
    ...
    ...     def forward(self, x, edge_index, semantics):
    ...         latent = self.fsm(self.conv(x, edge_index), semantics)
    ...         return self.decode(latent), latent
    >>> edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    >>> rebuilt, latent = MyNetwork(30)(torch.rand(4, 30), edges, torch.rand(4, 384))
    >>> latent.shape
    torch.Size([4, 16])
    """

    def __init__(
        self,
        dim: int,
        semantic_dim: int,
        *,
        head_dim: int | None = None,
        bottleneck_dim: int | None = None,
        identity: bool = False,
    ) -> None:
        super().__init__()
        self.out_dim = dim
        head_dim = head_dim or dim
        bottleneck_dim = bottleneck_dim or max(1, head_dim // 2)
        self.head = SemanticHead(semantic_dim, head_dim)
        first, last = nn.Linear(head_dim, bottleneck_dim), nn.Linear(bottleneck_dim, 2 * dim)
        self.modulator = nn.Sequential(first, nn.ReLU(), last)
        if identity:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def modulation(
        self, semantics: Float[Tensor, "spot semantic_dim"]
    ) -> tuple[Float[Tensor, "spot dim"], Float[Tensor, "spot dim"]]:
        """Return scale alpha and shift beta of every spot (equations 7 and 8)."""
        alpha, beta = self.modulator(self.head(semantics)).chunk(2, dim=-1)
        return alpha, beta

    def forward(
        self, features: Float[Tensor, "spot dim"], semantics: Float[Tensor, "spot semantic_dim"]
    ) -> Float[Tensor, "spot dim"]:
        """Return the modulated features (equation 9 before W)."""
        alpha, beta = self.modulation(semantics)
        return (1 + alpha) * features + beta


class Concat(Fusion):
    """Features beside the projected semantics (paper, Table 2, "Concat")."""

    def __init__(self, dim: int, semantic_dim: int, *, head_dim: int) -> None:
        super().__init__()
        self.out_dim = dim + head_dim
        self.head = SemanticHead(semantic_dim, head_dim)

    def forward(
        self, features: Float[Tensor, "spot dim"], semantics: Float[Tensor, "spot semantic_dim"]
    ) -> Float[Tensor, "spot out_dim"]:
        """Return features and semantics side by side."""
        return torch.cat([features, self.head(semantics)], dim=1)


class Add(Fusion):
    """Features plus the projected semantics (paper, Table 2, "Add")."""

    def __init__(self, dim: int, semantic_dim: int) -> None:
        super().__init__()
        self.out_dim = dim
        self.head = SemanticHead(semantic_dim, dim)

    def forward(
        self, features: Float[Tensor, "spot dim"], semantics: Float[Tensor, "spot semantic_dim"]
    ) -> Float[Tensor, "spot dim"]:
        """Return the sum."""
        shifted: Tensor = features + self.head(semantics)
        return shifted


class CrossAttention(Fusion):
    """Features ask, tokens read from the spot's own semantics answer (paper, Table 2, "Cross-Attention").

    The paper says no more than the name. Attention runs within a spot, over `n_tokens` projections of its semantic
    vector, so that it needs no spot-by-spot matrix; the answer is added to the features. There are `n_heads` heads, or
    as many as divide both that number and the width.
    """

    def __init__(self, dim: int, semantic_dim: int, *, n_tokens: int = 4, n_heads: int = 4) -> None:
        super().__init__()
        self.out_dim = dim
        self.n_tokens = n_tokens
        self.head = SemanticHead(semantic_dim, n_tokens * dim)
        self.attention = nn.MultiheadAttention(dim, math.gcd(dim, n_heads), batch_first=True)

    def forward(
        self, features: Float[Tensor, "spot dim"], semantics: Float[Tensor, "spot semantic_dim"]
    ) -> Float[Tensor, "spot dim"]:
        """Return the features plus what they drew from the semantics."""
        tokens = self.head(semantics).unflatten(1, (self.n_tokens, self.out_dim))
        answer, _ = self.attention(features[:, None], tokens, tokens, need_weights=False)
        mixed: Tensor = features + answer[:, 0]
        return mixed


def make_fusion(
    name: FusionName,
    dim: int,
    semantic_dim: int | None,
    *,
    head_dim: int,
    bottleneck_dim: int,
    identity: bool = False,
) -> Fusion | None:
    """Return the fusion called `name` for features of width `dim`; None where no semantics enter."""
    if name == "none" or semantic_dim is None:
        return None
    if name == "fsm":
        return FineGrainedModulation(
            dim, semantic_dim, head_dim=head_dim, bottleneck_dim=bottleneck_dim, identity=identity
        )
    if name == "concat":
        return Concat(dim, semantic_dim, head_dim=head_dim)
    return Add(dim, semantic_dim) if name == "add" else CrossAttention(dim, semantic_dim)


class SemanticHead(nn.Sequential):
    """What every fusion reads semantics through: half the width, ReLU, the wanted width; stores hold half precision."""

    def __init__(self, semantic_dim: int, out_dim: int) -> None:
        half = max(1, semantic_dim // 2)
        super().__init__(nn.Linear(semantic_dim, half), nn.ReLU(), nn.Linear(half, out_dim))

    def forward(self, semantics: Float[Tensor, "spot semantic_dim"]) -> Float[Tensor, "spot out_dim"]:
        """Return the semantics at the wanted width, in the head's own precision."""
        own = next(self.parameters()).dtype
        read: Tensor = super().forward(semantics.to(own))  # type: ignore[no-untyped-call]
        return read
