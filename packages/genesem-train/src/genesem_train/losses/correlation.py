"""Correlation reduction: features of the two views agree, different features do not (paper, equations 11 and 12)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from genesem_train.rows import ALL_ROWS, Rows

EPSILON = 1e-12


def correlation_loss(
    spatial: Float[Tensor, "spot dim"],
    feature: Float[Tensor, "spot dim"],
    *,
    form: Literal["paper", "released"],
    rows: Rows = ALL_ROWS,
) -> Float[Tensor, ""]:
    """Return how far the cosines between the features of both views are from the identity.

    C holds the cosine of every feature of one view, as a vector over spots, with every feature of the other.
    ``paper``: the mean of (C - I)^2 over all of C. ``released``: its mean over the diagonal plus its mean over the
    rest, which weighs the diagonal about `dim` times more.
    """
    cosines = rows.sum(_unit_columns(spatial, rows).T @ _unit_columns(feature, rows))
    dim = len(cosines)
    squares = (cosines - torch.eye(dim, dtype=cosines.dtype, device=cosines.device)) ** 2
    if form == "paper":
        return squares.mean()
    diagonal = squares.diagonal().sum()
    return diagonal / dim + (squares.sum() - diagonal) / max(dim * (dim - 1), 1)


def _unit_columns(features: Float[Tensor, "spot dim"], rows: Rows) -> Float[Tensor, "spot dim"]:
    """Return the features with columns of length 1 over all spots; the norm of norms has a gradient at 0, too."""
    lengths: Tensor = rows.stack(features.norm(dim=0)).norm(dim=0)
    return features / lengths.clamp_min(EPSILON)
