"""What mode ``improved`` learns of the slide that is fitted before training, kept for slides to come."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genesem_train.improved.affine import AffineMap
from genesem_train.improved.components import ComponentAxes

SPATIAL_NEIGHBOURS = (4, 15)
NAME = "field"
WHITENING = f"{NAME}/whitening"


@dataclass(frozen=True, kw_only=True)
class FieldTransforms:
    """How counts, places and vectors become what the network sees, as the fitted slide decided it."""

    axes: ComponentAxes
    shares: Float[np.ndarray, "component strength"]
    """Of every strength in a component's smoothing, as `Field` has them."""
    own_share: float
    """What a spot's own expression counts in its smoothed value, 0 to 1."""
    scale: float
    """What the smoothed components are divided by before the network sees them."""
    rebuilt: Int[np.ndarray, " rebuilt"]
    """Which genes the decoder rebuilds."""
    whitening: AffineMap | None = None
    """Of the semantic vectors, where there are any."""

    @property
    def n_neighbours(self) -> int:
        """Of the spatial view: 1 / own share, 4 to 15."""
        return int(np.clip(round(1 / max(self.own_share, 1e-3)), *SPATIAL_NEIGHBOURS))

    def tensors(self) -> dict[str, Tensor]:
        """Return all numbers by name."""
        numbers = {
            "loadings": self.axes.loadings,
            "means": self.axes.means,
            "median_library": np.array(self.axes.median_library),
            "shares": self.shares,
            "own_share": np.array(self.own_share),
            "scale": np.array(self.scale),
        }
        found = {
            f"{NAME}/{name}": torch.from_numpy(np.asarray(value, np.float64).copy()) for name, value in numbers.items()
        }
        found[f"{NAME}/rebuilt"] = torch.from_numpy(self.rebuilt.astype(np.int64))
        return found | ({} if self.whitening is None else self.whitening.tensors(WHITENING))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return the transforms whose `tensors` these are; a KeyError where one is missing."""
        found = {name.removeprefix(f"{NAME}/"): tensor.numpy() for name, tensor in tensors.items()}
        return cls(
            axes=ComponentAxes(
                loadings=found["loadings"], means=found["means"], median_library=float(found["median_library"])
            ),
            shares=found["shares"],
            own_share=float(found["own_share"]),
            scale=float(found["scale"]),
            rebuilt=found["rebuilt"],
            whitening=AffineMap.from_tensors(tensors, WHITENING) if f"{WHITENING}/matrix" in tensors else None,
        )
