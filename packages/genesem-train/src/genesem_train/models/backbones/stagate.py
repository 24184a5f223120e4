"""STAGATE: a graph attention autoencoder with tied weights (Dong and Zhang 2022), with semantics at its bottleneck.

After the authors' PyG version, which differs from the paper in using a sigmoid for the attention's scores. There both
halves of a tied weight are parameters of their own on one memory, so that each step moves it twice; here a weight is
one parameter and moves once.
"""

from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import elu

from genesem_train.losses import blocked_loss, squared_error
from genesem_train.models.backbone import Backbone, Latents, SlideInputs
from genesem_train.models.fusion import FusionName, make_fusion
from genesem_train.pyg import MessagePassing, softmax
from genesem_train.rows import ALL_ROWS, Rows

GAIN = 1.414


class Stagate(Backbone):
    """Attention, bottleneck, and the same two weights transposed on the way back.

    Parameters
    ----------
    n_genes
        Genes of the input.
    semantic_dim
        Width of the semantic vectors; None leaves the fusion out.
    hidden_dim, latent_dim
        Widths of the attention layer and of the bottleneck.
    fusion
        How semantics meet the bottleneck, before it is decoded and clustered.
    """

    clip_norm = 5.0
    loss_weights = MappingProxyType({"reconstruction": 1.0})

    def __init__(
        self,
        n_genes: int,
        semantic_dim: int | None,
        *,
        hidden_dim: int = 512,
        latent_dim: int = 30,
        fusion: FusionName = "fsm",
    ) -> None:
        super().__init__()
        self.outer = nn.Parameter(nn.init.xavier_normal_(torch.empty(n_genes, hidden_dim), GAIN))
        self.inner = nn.Parameter(nn.init.xavier_normal_(torch.empty(hidden_dim, latent_dim), GAIN))
        self.attention = Attention(hidden_dim)
        self.fusion = make_fusion(fusion, latent_dim, semantic_dim, head_dim=latent_dim, bottleneck_dim=latent_dim)
        fused_dim = latent_dim if self.fusion is None else self.fusion.out_dim
        self.narrow = nn.Identity() if fused_dim == latent_dim else nn.Linear(fused_dim, latent_dim)

    def forward(self, inputs: SlideInputs) -> Latents:
        """Return the bottleneck with the semantics, and under `views` without; `shares` are kept for the way back."""
        edges = with_loops(inputs)
        projected = inputs.values @ self.outer
        shares = self.attention.shares(projected, edges, inputs.rows)
        bottleneck = elu(self.attention(projected, edges, shares, inputs.rows)) @ self.inner
        final = self.narrow(self.fuse(bottleneck, inputs))
        return Latents(final=final, views={"spatial": bottleneck}, extras={"shares": shares})

    def losses(self, inputs: SlideInputs, latents: Latents) -> dict[str, Float[Tensor, ""]]:
        """Return the mean squared error over all entries of the values."""
        widened = latents.final @ self.inner.T
        hidden = elu(self.attention(widened, with_loops(inputs), latents.extras["shares"], inputs.rows))
        no_bias = torch.zeros(len(self.outer), device=hidden.device)
        total = inputs.rows.sum(blocked_loss(hidden, self.outer, no_bias, inputs.values, squared_error))
        return {"reconstruction": total / inputs.n_entries}


class Attention(MessagePassing):  # type: ignore[misc]
    """One head: every spot takes from its neighbours and itself by shares that add up to 1.

    Of several processes each has the edges into its own spots, and gathers what these bring.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(aggr="sum", node_dim=0)
        self.source = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, dim), GAIN))
        self.target = nn.Parameter(nn.init.xavier_normal_(torch.empty(1, dim), GAIN))

    def shares(
        self, features: Float[Tensor, "spot dim"], edges: Int[Tensor, "2 edge"], rows: Rows = ALL_ROWS
    ) -> Float[Tensor, " edge"]:
        """Return what each edge carries: the softmax, over the edges into a spot, of a sigmoid score."""
        given, taken = rows.gather(features @ self.source[0]), features @ self.target[0]
        score = torch.sigmoid(given[edges[0]] + taken[edges[1]])
        carried: Tensor = softmax(score, edges[1], num_nodes=len(features))
        return carried

    def forward(
        self,
        features: Float[Tensor, "spot dim"],
        edges: Int[Tensor, "2 edge"],
        shares: Float[Tensor, " edge"],
        rows: Rows = ALL_ROWS,
    ) -> Float[Tensor, "spot dim"]:
        """Return the features brought along the edges, by their shares."""
        everyone = rows.gather(features)
        brought: Tensor = self.propagate(edges, x=everyone, shares=shares, size=(len(everyone), len(features)))
        return brought

    def message(self, x_j: Tensor, shares: Tensor) -> Tensor:
        """Return what an edge brings."""
        return shares[:, None] * x_j


def with_loops(inputs: SlideInputs) -> Int[Tensor, "2 edge"]:
    """Return the edges and one loop per spot."""
    spots = torch.arange(inputs.values.shape[0], device=inputs.edges.device)
    return torch.cat([inputs.edges, torch.stack([spots + inputs.rows.start, spots])], dim=1)
