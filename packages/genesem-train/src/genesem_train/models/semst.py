"""SemST: two graph views, modulated by semantics, and a ZINB decoder (paper, equations 3 to 10)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genesem_train.models.decoder import ZinbDecoder
from genesem_train.models.fusion import FineGrainedModulation, FusionName, make_fusion
from genesem_train.models.gcn import ViewEncoder
from genesem_train.sparse import SparseMatrix


@dataclass(frozen=True)
class SlideInputs:
    """Everything the network sees of a slide."""

    values: SparseMatrix
    """Scaled expression, spot by gene."""
    spatial: SparseMatrix
    """Propagation weights of the spatial graph."""
    feature: SparseMatrix
    """Propagation weights of the expression graph."""
    semantics: Float[Tensor, "spot semantic_dim"] | None = None


@dataclass(frozen=True)
class Latents:
    """What the encoder makes of a slide."""

    spatial: Float[Tensor, "spot latent_dim"]
    feature: Float[Tensor, "spot latent_dim"]
    final: Float[Tensor, "spot latent_dim"]
    """The representation that is decoded and clustered (equation 9)."""


class SemST(nn.Module):
    """The network of the paper, in the widths and the initialisation of the released code.

    Parameters
    ----------
    n_genes
        Genes of the input.
    semantic_dim
        Width of the semantic vectors; None goes with ``fusion="none"``.
    hidden_dim, latent_dim
        Widths of the first and second layers (released: nhid1, nhid2).
    modulator_ratio
        Width of FSM's hidden layer over `latent_dim`.
    fusion
        How semantics meet the views.
    """

    def __init__(
        self,
        n_genes: int,
        semantic_dim: int | None,
        *,
        hidden_dim: int = 256,
        latent_dim: int = 128,
        modulator_ratio: float = 0.5,
        fusion: FusionName = "fsm",
    ) -> None:
        super().__init__()
        self.spatial = ViewEncoder(n_genes, hidden_dim, latent_dim)
        self.feature = ViewEncoder(n_genes, hidden_dim, latent_dim)
        bottleneck = int(latent_dim * modulator_ratio)
        self.fusion = make_fusion(fusion, 2 * latent_dim, semantic_dim, head_dim=latent_dim, bottleneck_dim=bottleneck)
        fused_dim = 2 * latent_dim if self.fusion is None else int(self.fusion.out_dim)
        self.latent = nn.Sequential(nn.Linear(fused_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, latent_dim))
        self.decoder = ZinbDecoder(latent_dim, hidden_dim, n_genes)

    def forward(self, inputs: SlideInputs) -> Latents:
        """Return both views and the final latent; `decoder` goes on from there."""
        spatial = self.spatial(inputs.values, inputs.spatial)
        feature = self.feature(inputs.values, inputs.feature)
        joined = torch.cat([spatial, feature], dim=1)
        if self.fusion is not None:
            joined = self.fusion(joined, inputs.semantics)
        return Latents(spatial=spatial, feature=feature, final=self.latent(joined))

    def modulation(self, inputs: SlideInputs) -> tuple[Tensor, Tensor] | None:
        """Return FSM's alpha and beta of every spot; None with another fusion."""
        if isinstance(self.fusion, FineGrainedModulation) and inputs.semantics is not None:
            return self.fusion.modulation(inputs.semantics)
        return None
