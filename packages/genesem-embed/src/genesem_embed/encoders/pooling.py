"""Hidden states to one vector a text, whatever lies beside the text's own tokens."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor


def pool(
    hidden: Float[Tensor, "token dim"],
    paths: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
    pooling: Literal["mean", "last", "user-mean"],
) -> Float[Tensor, "text dim"]:
    """Return the mean over a span of every text's tokens, or the last of them, in float32.

    Parameters
    ----------
    paths
        (text, token): the row of `hidden` that holds each token of a text.
    spans
        (text, 2): the first token of a text that counts, and the one after the last.
    """
    if pooling == "last":
        last = paths[np.arange(len(spans)), spans[:, 1] - 1]
        return hidden[torch.from_numpy(last).to(hidden.device)].float()
    # One matrix product also sums the tokens that several texts share, for each of them.
    weights = torch.zeros(len(spans), len(hidden))
    for row, (first, end) in enumerate(spans.tolist()):
        weights[row, torch.from_numpy(paths[row, first:end])] = 1.0 / (end - first)
    return weights.to(hidden.device) @ hidden.float()
