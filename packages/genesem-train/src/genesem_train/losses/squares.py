"""Squared error of a block of spots, without making its zeros."""

from jaxtyping import Float
from torch import Tensor

from genesem_train.losses.zinb import NonZeros


def squared_error(outputs: Float[Tensor, "spot gene"], nonzeros: NonZeros) -> Float[Tensor, ""]:
    """Return the sum of (outputs - values)^2: all outputs squared, corrected where there are values."""
    x = nonzeros.value
    return outputs.square().sum() + (x * (x - 2 * outputs.flatten()[nonzeros.index])).sum()
