"""Squared error of a block of spots."""

from jaxtyping import Float
from torch import Tensor

from genesem_train.losses.zinb import NonZeros


def squared_error(outputs: Float[Tensor, "spot gene"], nonzeros: NonZeros) -> Float[Tensor, ""]:
    """Return the sum of (outputs - values)^2."""
    return (outputs - nonzeros.dense(outputs.shape)).square().sum()
