"""Correlation reduction: features of the two views agree, different features do not (paper, equations 11 and 12)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize


def correlation_loss(
    spatial: Float[Tensor, "spot dim"], feature: Float[Tensor, "spot dim"], *, form: Literal["paper", "released"]
) -> Float[Tensor, ""]:
    """Return how far the cosines between the features of both views are from the identity.

    C holds the cosine of every feature of one view, as a vector over spots, with every feature of the other.
    ``paper``: the mean of (C - I)^2 over all of C. ``released``: its mean over the diagonal plus its mean over the
    rest, which weighs the diagonal about `dim` times more.
    """
    cosines = normalize(spatial, dim=0).T @ normalize(feature, dim=0)
    dim = len(cosines)
    squares = (cosines - torch.eye(dim, dtype=cosines.dtype, device=cosines.device)) ** 2
    if form == "paper":
        return squares.mean()
    diagonal = squares.diagonal().sum()
    return diagonal / dim + (squares.sum() - diagonal) / max(dim * (dim - 1), 1)
