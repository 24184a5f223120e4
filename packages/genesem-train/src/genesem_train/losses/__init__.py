"""The three terms of SemST's loss, each a pure function with the paper's form and the released code's."""

from genesem_train.losses.correlation import correlation_loss
from genesem_train.losses.spatial import spatial_loss
from genesem_train.losses.zinb import NonZeros, zinb_nll

__all__ = ["NonZeros", "correlation_loss", "spatial_loss", "zinb_nll"]
