"""SemST: two graph views, modulated by semantics, and a ZINB decoder (paper, equations 3 to 14)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genesem_train.losses import NonZeros, blocked_loss, correlation_loss, spatial_loss, zinb_nll
from genesem_train.models.backbone import Backbone, Latents, SlideInputs
from genesem_train.models.fusion import FusionName, make_fusion
from genesem_train.models.gcn import ViewEncoder
from genesem_train.models.norm import BatchNorm
from genesem_train.rows import ALL_ROWS, Rows

if TYPE_CHECKING:
    from genesem_train.config.sections import LossConfig, ModelConfig

LossForm = Literal["paper", "released"]
Mixing = Literal["paper", "released"]

RELEASED_WEIGHTS = MappingProxyType({"zinb": 1.0, "spatial": 0.1, "correlation": 0.1})
"""For DLPFC, HBC and MBA; ME and MVC have 1 throughout. The released code calls the last two gamma and beta, the paper
lambda and gamma."""

EXACT_PAIRS = 3_000
"""Up to so many spots, ``auto`` sums the spatial term over all pairs; at 4,000 that would be a quarter of an epoch."""


class SemST(Backbone):
    """The network of the paper, in the widths and the initialisation of the released code.

    Parameters
    ----------
    n_genes
        Genes of the input.
    semantic_dim
        Width of the semantic vectors; None leaves the fusion out.
    hidden_dim, latent_dim
        Widths of the first and second layers (released: nhid1, nhid2).
    modulator_ratio
        Width of FSM's hidden layer over `latent_dim`.
    fusion
        How semantics meet the views.
    mixing
        What takes the modulated views to the latent: the paper's matrix W (equation 9), or the released code's two
        layers.
    loss_form
        Of all three terms: sums as printed in the paper, or means as in the released code.
    loss_weights
        Of the terms `zinb`, `spatial` and `correlation`.
    pairs
        Whether the spatial term goes over all pairs or takes their moments.
    """

    views = ("spatial", "feature")

    def __init__(
        self,
        n_genes: int,
        semantic_dim: int | None,
        *,
        hidden_dim: int = 256,
        latent_dim: int = 128,
        modulator_ratio: float = 0.5,
        fusion: FusionName = "fsm",
        mixing: Mixing = "released",
        loss_form: LossForm = "released",
        loss_weights: Mapping[str, float] = RELEASED_WEIGHTS,
        pairs: Literal["exact", "moments"] = "exact",
    ) -> None:
        super().__init__()
        self.loss_form: LossForm = loss_form
        self.loss_weights = loss_weights
        self.pairs: Literal["exact", "moments"] = pairs
        self.spatial = ViewEncoder(n_genes, hidden_dim, latent_dim)
        self.feature = ViewEncoder(n_genes, hidden_dim, latent_dim)
        bottleneck = int(latent_dim * modulator_ratio)
        self.fusion = make_fusion(fusion, 2 * latent_dim, semantic_dim, head_dim=latent_dim, bottleneck_dim=bottleneck)
        fused_dim = 2 * latent_dim if self.fusion is None else self.fusion.out_dim
        self.latent = _mixing(mixing, fused_dim, hidden_dim, latent_dim)
        self.decoder = ZinbDecoder(latent_dim, hidden_dim, n_genes)

    @classmethod
    def from_settings(
        cls, model: "ModelConfig", loss: "LossConfig", n_genes: int, semantic_dim: int | None, n_spots: int
    ) -> Self:
        """Return the untrained network of the settings; ``auto`` takes all pairs up to `EXACT_PAIRS` spots."""
        exact = loss.pairs == "exact" or (loss.pairs == "auto" and n_spots <= EXACT_PAIRS)
        return cls(
            n_genes,
            semantic_dim,
            hidden_dim=model.hidden_dim,
            latent_dim=model.latent_dim,
            modulator_ratio=model.modulator_ratio,
            fusion=model.fusion,
            mixing=model.mixing,
            loss_form=loss.form,
            loss_weights={"zinb": loss.zinb, "spatial": loss.spatial, "correlation": loss.correlation},
            pairs="exact" if exact else "moments",
        )

    def forward(self, inputs: SlideInputs) -> Latents:
        """Return both views and the final latent (equations 4 to 9)."""
        assert inputs.spatial is not None
        assert inputs.feature is not None
        spatial = self.spatial(inputs.values, inputs.spatial, inputs.rows)
        feature = self.feature(inputs.values, inputs.feature, inputs.rows)
        fused = self.fuse(torch.cat([spatial, feature], dim=1), inputs)
        return Latents(final=self.latent(fused), views={"spatial": spatial, "feature": feature})

    def losses(self, inputs: SlideInputs, latents: Latents) -> dict[str, Float[Tensor, ""]]:
        """Return the terms of equations 10, 13 and 12."""
        form, rows, views = self.loss_form, inputs.rows, latents.views
        return {
            "zinb": self._reconstruction(inputs, latents),
            "spatial": spatial_loss(latents.final, inputs.neighbours, form=form, method=self.pairs, rows=rows),
            "correlation": correlation_loss(views["spatial"], views["feature"], form=form, rows=rows),
        }

    def _reconstruction(self, inputs: SlideInputs, latents: Latents) -> Float[Tensor, ""]:
        """Return the sum over all entries (paper) or their mean (released)."""
        hidden, heads = self.decoder(latents.final, inputs.rows), self.decoder.heads

        def block_loss(outputs: Tensor, nonzeros: NonZeros) -> Tensor:
            return zinb_nll(nonzeros, outputs, form=self.loss_form)

        total = inputs.rows.sum(blocked_loss(hidden, heads.weight, heads.bias, inputs.values, block_loss))
        return total if self.loss_form == "paper" else total / inputs.n_entries


def _mixing(mixing: Mixing, fused_dim: int, hidden_dim: int, latent_dim: int) -> nn.Module:
    if mixing == "paper":
        return nn.Linear(fused_dim, latent_dim, bias=False)
    return nn.Sequential(nn.Linear(fused_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, latent_dim))


class ZinbDecoder(nn.Module):
    """Linear, batch norm and ReLU over all spots, then one linear layer for the three heads.

    The heads stand apart from the rest, because their outputs are as large as the slide and are made block by block;
    the batch norm needs all spots, but only at the hidden width.
    """

    def __init__(self, latent_dim: int, hidden_dim: int, n_genes: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(latent_dim, hidden_dim), BatchNorm(hidden_dim), nn.ReLU())
        self.heads = nn.Linear(hidden_dim, 3 * n_genes)

    def forward(
        self, latent: Float[Tensor, "spot latent_dim"], rows: Rows = ALL_ROWS
    ) -> Float[Tensor, "spot hidden_dim"]:
        """Return what the heads read; they give mean, dispersion and dropout of all genes, in this order."""
        linear, norm, relu = self.hidden
        hidden: Tensor = relu(norm(linear(latent), rows))
        return hidden
