"""A matrix and an offset: what centring, whitening, principal axes and equal norms come to together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class AffineMap:
    """What was learnt of some rows, for rows to come."""

    matrix: Float[np.ndarray, "dim mapped"]
    offset: Float[np.ndarray, " mapped"]

    @classmethod
    def about(cls, mean: Float[np.ndarray, " dim"], matrix: Float[np.ndarray, "dim mapped"]) -> Self:
        """Return the map of a row x to (x - mean) matrix."""
        return cls(matrix=matrix, offset=-(mean @ matrix))

    def __call__(self, rows: Float[np.ndarray, "row dim"]) -> Float[np.ndarray, "row mapped"]:
        """Return the rows mapped, in double precision."""
        mapped: Float[np.ndarray, "row mapped"] = np.asarray(rows, dtype=np.float64) @ self.matrix + self.offset
        return mapped

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return matrix and offset as ``name/matrix`` and ``name/offset``."""
        return {
            f"{name}/matrix": torch.from_numpy(np.ascontiguousarray(self.matrix, dtype=np.float64)),
            f"{name}/offset": torch.from_numpy(np.ascontiguousarray(self.offset, dtype=np.float64)),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], name: str) -> Self:
        """Return the map whose `tensors` these are."""
        return cls(matrix=tensors[f"{name}/matrix"].numpy(), offset=tensors[f"{name}/offset"].numpy())
