"""SemST's two views and its modulation over a smoothed field, rebuilding raw counts: the mode ``improved``.

What differs from the paper's network, and why, is told in docs/methods.md.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor, nn
from torch.nn.functional import elu

from genesem_train.losses import NonZeros, blocked_loss, dispersions, nb_nll
from genesem_train.models.backbone import Backbone, Latents, SlideInputs
from genesem_train.models.fusion import FusionName, make_fusion
from genesem_train.models.gcn import GraphConvolution
from genesem_train.rows import ALL_ROWS, Rows
from genesem_train.sparse import SparseMatrix


@dataclass(frozen=True, kw_only=True)
class GenePriors:
    """What is known of the genes before training."""

    share: Float[Tensor, " gene"]
    """Of all counts, above 0: where the decoder starts."""
    log_theta: Float[Tensor, " gene"]

    @classmethod
    def from_counts(cls, counts: sparse.csr_matrix) -> Self:
        """Return shares and dispersions by moments."""
        sums = np.asarray(counts.sum(axis=0), dtype=np.float64).ravel() + 1
        return cls(
            share=torch.as_tensor(sums / sums.sum(), dtype=torch.float32),
            log_theta=torch.as_tensor(np.log(dispersions(counts)), dtype=torch.float32),
        )

    def to(self, device: torch.device | str) -> Self:
        """Return the priors on `device`."""
        return type(self)(share=self.share.to(device), log_theta=self.log_theta.to(device))


class FieldSemST(Backbone):
    """Two graph views of the field, semantics, and a decoder of counts.

    Parameters
    ----------
    n_components
        Width of the field.
    semantic_dim
        Width of the semantic vectors; None leaves the fusion out.
    genes
        What is known of the genes to rebuild before training.
    hidden_dim, latent_dim
        Widths of the first and second layers.
    fusion
        How semantics meet the views.
    """

    loss_weights = MappingProxyType({"counts": 1.0})

    def __init__(
        self,
        n_components: int,
        semantic_dim: int | None,
        genes: GenePriors,
        *,
        hidden_dim: int = 64,
        latent_dim: int = 32,
        fusion: FusionName = "fsm",
    ) -> None:
        super().__init__()
        self.genes = genes
        self.spatial = FieldView(n_components, hidden_dim, latent_dim)
        self.feature = FieldView(n_components, hidden_dim, latent_dim)
        self.fusion = make_fusion(
            fusion, 2 * latent_dim, semantic_dim, head_dim=latent_dim, bottleneck_dim=latent_dim, identity=True
        )
        fused_dim = 2 * latent_dim if self.fusion is None else self.fusion.out_dim
        self.latent = nn.Sequential(nn.Linear(fused_dim, hidden_dim), nn.ELU(), nn.Linear(hidden_dim, latent_dim))
        self.hidden = nn.Sequential(nn.Linear(latent_dim, hidden_dim), nn.ELU())
        self.shares = nn.Linear(hidden_dim, len(genes.share))
        with torch.no_grad():
            self.shares.bias.copy_(genes.share.log())

    def forward(self, inputs: SlideInputs) -> Latents:
        """Return both views and the final latent."""
        assert inputs.field is not None
        assert inputs.spatial is not None
        assert inputs.feature is not None
        spatial = self.spatial(inputs.field, inputs.spatial, inputs.rows)
        feature = self.feature(inputs.field, inputs.feature, inputs.rows)
        fused = self.fuse(torch.cat([spatial, feature], dim=1), inputs)
        return Latents(final=self.latent(fused), views={"spatial": spatial, "feature": feature})

    def losses(self, inputs: SlideInputs, latents: Latents) -> dict[str, Float[Tensor, ""]]:
        """Return the negative binomial's mean over spots; a spot's mean counts are its library times gene shares."""
        genes = self.genes.to(latents.final.device)

        def block_loss(outputs: Tensor, nonzeros: NonZeros) -> Tensor:
            return nb_nll(nonzeros, outputs, genes.log_theta)

        total = blocked_loss(
            self.hidden(latents.final), self.shares.weight, self.shares.bias, inputs.values, block_loss
        )
        return {"counts": inputs.rows.sum(total) / inputs.n_spots}


class FieldView(nn.Module):
    """Two graph convolutions with an ELU between them."""

    def __init__(self, in_dim: int, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.first = GraphConvolution(in_dim, hidden_dim, scaled_by="inputs")
        self.second = GraphConvolution(hidden_dim, latent_dim, scaled_by="inputs")

    def forward(
        self, field: Float[Tensor, "spot component"], weights: SparseMatrix, rows: Rows = ALL_ROWS
    ) -> Float[Tensor, "spot latent_dim"]:
        """Return the view's features of the spots at hand."""
        features: Tensor = self.second(elu(self.first(field, weights, rows)), weights, rows)
        return features
