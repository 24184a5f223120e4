"""Hidden states of a padded batch to one vector a text; padding never counts."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def pool(
    hidden: Float[Tensor, "row token dim"],
    counted: Bool[Tensor, "row token"],
    pooling: Literal["mean", "last", "user-mean"],
) -> Float[Tensor, "row dim"]:
    """Return the mean over the counted tokens, or the last of them, in float32.

    Parameters
    ----------
    counted
        True at the tokens that take part; at least one in every row.
    """
    if pooling == "last":
        last = counted.shape[1] - 1 - counted.flip(1).int().argmax(1)
        return hidden[torch.arange(len(hidden), device=hidden.device), last].float()
    weights = counted.float()
    total = torch.einsum("rtd,rt->rd", hidden.float(), weights)
    return total / weights.sum(1, keepdim=True)
