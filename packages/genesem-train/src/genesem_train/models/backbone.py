"""What every network of this package offers to the training loop, and what it is given.

A backbone is one file: its layers, and the loss that its paper trains them with. `genesem_train.training.fit`
needs no more to know than this.
"""

from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor, nn

from genesem_train.models.fusion import FineGrainedModulation, Fusion
from genesem_train.rows import ALL_ROWS, Rows, SharedRows
from genesem_train.sparse import SparseMatrix

if TYPE_CHECKING:
    from genesem_train.config.sections import LossConfig, ModelConfig


@dataclass(frozen=True, kw_only=True)
class SlideInputs:
    """Everything a network sees of a slide, or of several stacked into one; of several processes, its rows of that."""

    values: SparseMatrix
    """Scaled expression, spot by gene; for a network that rebuilds counts, the counts of the genes to rebuild."""
    edges: Int[Tensor, "2 edge"]
    """Every ordered pair of spatial neighbours, no loops: from any spot, by its number, into a spot at hand, by its
    row."""
    spatial: SparseMatrix | None = None
    """Propagation weights of the spatial graph."""
    feature: SparseMatrix | None = None
    """Propagation weights of the expression graph."""
    semantics: Float[Tensor, "spot semantic_dim"] | None = None
    field: Float[Tensor, "spot component"] | None = None
    """Smoothed principal components, for a network that reads these instead of genes."""
    rows: Rows = ALL_ROWS
    """Which spots these are."""

    @property
    def n_spots(self) -> int:
        """Spots of all processes."""
        return self.rows.count(self.values.shape[0])

    @property
    def n_entries(self) -> int:
        """Spots of all processes times genes."""
        return self.n_spots * self.values.shape[1]

    @property
    def work(self) -> Int[np.ndarray, " spot"]:
        """What a spot costs in an epoch, in entries: those not zero on the way in, all genes on the way out."""
        filled: Int[np.ndarray, " spot"] = self.values.matrix.crow_indices().diff().cpu().numpy()
        return filled + self.values.shape[1]

    def to(self, device: torch.device | str) -> Self:
        """Return the inputs on `device`."""
        return replace(self, **{name: part.to(device) for name, part in self._parts().items()})

    def share(self, rows: SharedRows) -> Self:
        """Return what one process of several sees, in memory of its own; this one holds all spots."""
        sources, targets = self.edges
        own = (targets >= rows.start) & (targets < rows.stop)
        cut: dict[str, Any] = {
            name: part.rows(rows.start, rows.stop)
            if isinstance(part, SparseMatrix)
            else part[rows.start : rows.stop].clone()
            for name, part in self._parts().items()
        }
        cut["edges"] = torch.stack([sources[own], targets[own] - rows.start])
        return replace(self, **cut, rows=rows)

    def _parts(self) -> dict[str, Any]:
        parts = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "rows"}
        return {name: part for name, part in parts.items() if part is not None}

    @cached_property
    def neighbours(self) -> SparseMatrix:
        """Ones at the edges: spots at hand by all spots."""
        sources, targets = self.edges.cpu().numpy()
        shape = (self.values.shape[0], self.n_spots)
        ones = sparse.csr_matrix((np.ones(len(sources)), (targets, sources)), shape=shape)
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

    views: ClassVar[Collection[Literal["spatial", "feature"]]] = ()
    """Which propagation weights it reads; the pairs of spatial neighbours are always there."""
    clip_norm: ClassVar[float | None] = None
    """Greatest norm of the gradient in training; None leaves it free."""
    fusion: Fusion | None
    """How semantics meet the features; None where they do not."""
    loss_weights: Mapping[str, float]
    """What each term of `losses` counts in the total."""

    @classmethod
    def from_settings(
        cls, model: "ModelConfig", loss: "LossConfig", n_genes: int, semantic_dim: int | None, n_spots: int
    ) -> Self:
        """Return the untrained network of the settings: its widths and its fusion, where it has no more."""
        return cls(n_genes, semantic_dim, hidden_dim=model.hidden_dim, latent_dim=model.latent_dim, fusion=model.fusion)

    @abstractmethod
    def forward(self, inputs: SlideInputs) -> Latents:
        """Return the latents of the spots at hand."""

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
