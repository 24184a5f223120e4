"""Latent to the parameters of a zero-inflated negative binomial per spot and gene (paper, equation 10)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class ZinbLogits:
    """What the decoder's heads return; `losses.zinb` turns it into mean, dispersion and dropout probability."""

    mean: Float[Tensor, "spot gene"]
    """Logarithm of the mean, before it is bounded."""
    dispersion: Float[Tensor, "spot gene"]
    """Softplus of it is the inverse dispersion, before it is bounded."""
    dropout: Float[Tensor, "spot gene"]
    """Logit of the probability of an extra zero."""


class ZinbDecoder(nn.Module):
    """Linear, batch norm and ReLU over all spots, then three linear heads.

    The heads come apart from the rest, because their outputs are as large as the slide and are better made block by
    block; the batch norm needs all spots, but only at the hidden width.
    """

    def __init__(self, latent_dim: int, hidden_dim: int, n_genes: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(latent_dim, hidden_dim), nn.BatchNorm1d(hidden_dim), nn.ReLU())
        self.heads = nn.Linear(hidden_dim, 3 * n_genes)

    def forward(self, latent: Float[Tensor, "spot latent_dim"]) -> Float[Tensor, "spot hidden_dim"]:
        """Return the hidden features that `parameters_of` reads."""
        hidden: Tensor = self.hidden(latent)
        return hidden

    def parameters_of(self, hidden: Float[Tensor, "block hidden_dim"]) -> ZinbLogits:
        """Return the three logits of the spots in `hidden`."""
        return ZinbLogits(*self.heads(hidden).chunk(3, dim=-1))
