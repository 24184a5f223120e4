"""What every network of this package offers to the training loop, and what it is given.

A backbone is one file: its layers, and the loss that its paper trains them with. `genesem_train.fit` needs no more to
know than this.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor, nn

from genesem_train.models.fusion import FineGrainedModulation, Fusion
from genesem_train.sparse import SparseMatrix


@dataclass(frozen=True, kw_only=True)
class SlideInputs:
    """Everything a network sees of a slide, or of several stacked into one."""

    values: SparseMatrix
    """Scaled expression, spot by gene; for a network that rebuilds counts, the counts of the genes to rebuild."""
    edges: Int[Tensor, "2 edge"]
    """Every ordered pair of spatial neighbours, no loops."""
    spatial: SparseMatrix | None = None
    """Propagation weights of the spatial graph."""
    feature: SparseMatrix | None = None
    """Propagation weights of the expression graph."""
    semantics: Float[Tensor, "spot semantic_dim"] | None = None
    field: Float[Tensor, "spot component"] | None = None
    """Smoothed principal components, for a network that reads these instead of genes."""

    def to(self, device: torch.device | str) -> Self:
        """Return the inputs on `device`."""
        parts = {one.name: getattr(self, one.name) for one in fields(self)}
        moved: dict[str, Any] = {name: None if part is None else part.to(device) for name, part in parts.items()}
        return type(self)(**moved)

    @cached_property
    def neighbours(self) -> SparseMatrix:
        """Ones at the edges: spot by spot."""
        edges, n_spots = self.edges.cpu().numpy(), self.values.shape[0]
        ones = sparse.csr_matrix((np.ones(edges.shape[1]), (edges[0], edges[1])), shape=(n_spots, n_spots))
        return SparseMatrix.from_scipy(ones).to(self.edges.device)


@dataclass(frozen=True, kw_only=True)
class Latents:
    """What an encoder makes of a slide."""

    final: Float[Tensor, "spot latent_dim"]
    """The representation that is decoded and clustered."""
    views: Mapping[str, Float[Tensor, "spot latent_dim"]]
    """The features before semantics and mixing, by the name of their graph."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """What else the backbone's own loss needs."""


class Backbone(nn.Module):
    """A network with its own loss."""

    fusion: Fusion | None
    """How semantics meet the features; None where they do not."""
    loss_weights: Mapping[str, float]
    """What each term of `losses` counts in the total."""

    @abstractmethod
    def forward(self, inputs: SlideInputs) -> Latents:
        """Return the latents of all spots."""

    @abstractmethod
    def losses(self, inputs: SlideInputs, latents: Latents) -> dict[str, Float[Tensor, ""]]:
        """Return the terms of the loss by name, before their weights."""

    def readout(self, inputs: SlideInputs, latents: Latents) -> Float[Tensor, "spot dim"]:
        """Return what is clustered: the final latent, unless a network knows better."""
        return latents.final

    def fuse(self, features: Float[Tensor, "spot dim"], inputs: SlideInputs) -> Float[Tensor, "spot out_dim"]:
        """Return the features with the semantics brought in, or as they are where there is no fusion."""
        if self.fusion is None:
            return features
        fused: Tensor = self.fusion(features, inputs.semantics)
        return fused

    def modulation(self, inputs: SlideInputs) -> tuple[Tensor, Tensor] | None:
        """Return FSM's alpha and beta of every spot; None with another fusion."""
        if isinstance(self.fusion, FineGrainedModulation) and inputs.semantics is not None:
            return self.fusion.modulation(inputs.semantics)
        return None
