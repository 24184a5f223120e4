"""The terms of the losses: pure functions, with the paper's form and the released code's."""

from genesem_train.losses.blocks import blocked_loss
from genesem_train.losses.correlation import correlation_loss
from genesem_train.losses.negative_binomial import dispersions, nb_nll
from genesem_train.losses.spatial import spatial_loss
from genesem_train.losses.squares import squared_error
from genesem_train.losses.zinb import NonZeros, zinb_nll

__all__ = [
    "NonZeros",
    "blocked_loss",
    "correlation_loss",
    "dispersions",
    "nb_nll",
    "spatial_loss",
    "squared_error",
    "zinb_nll",
]
