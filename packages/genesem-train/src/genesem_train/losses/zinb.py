"""Zero-inflated negative binomial likelihood, in logits, its costly terms only at counts (paper, equation 10).

With dropout logit l, mean mu and inverse dispersion theta, the negative log-likelihood of a value x is
softplus(l) - logaddexp(l, -theta log1p(mu / theta)) at zero, and softplus(l) plus the negative binomial's elsewhere.
Most entries are zero, so the gamma functions are taken at the others only.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import softplus

MEAN_BOUNDS = (1e-5, 1e6)
DISPERSION_BOUNDS = (1e-4, 1e4)
RIDGE = 0.05
"""Weight of the released code's pi^2 term, which the paper does not have."""


@dataclass(frozen=True)
class NonZeros:
    """The non-zero values of a block of spots."""

    index: Int[Tensor, " entry"]
    """Positions in the flattened block."""
    value: Float[Tensor, " entry"]

    def row_sums(self, shape: torch.Size) -> Float[Tensor, " spot"]:
        """Return the sum of every spot's values in a block of `shape`."""
        return self.value.new_zeros(shape[0]).index_add_(0, self.index // shape[1], self.value)


def zinb_nll(
    nonzeros: NonZeros,
    mean: Float[Tensor, "spot gene"],
    dispersion: Float[Tensor, "spot gene"],
    dropout: Float[Tensor, "spot gene"],
    *,
    form: Literal["paper", "released"],
) -> Float[Tensor, ""]:
    """Return the summed negative log-likelihood of a block of spots.

    Parameters
    ----------
    nonzeros
        The block's values that are not zero: counts, or the released code's scaled ones.
    mean, dispersion, dropout
        Logarithm of the mean; inverse softplus of the inverse dispersion; logit of the probability of an extra zero.
        Mean and dispersion are kept within the released code's bounds.
    form
        ``released`` adds 0.05 pi^2 per entry.
    """
    log_mean = mean.clamp(*(math.log(bound) for bound in MEAN_BOUNDS))
    theta = softplus(dispersion).clamp(*DISPERSION_BOUNDS)
    log_ratio = torch.log1p(log_mean.exp() / theta)
    if_zero = softplus(dropout) - torch.logaddexp(dropout, -theta * log_ratio)
    total = if_zero.sum() + _where_counted(nonzeros, log_mean, theta, log_ratio, dropout, if_zero)
    return total + RIDGE * torch.sigmoid(dropout).square().sum() if form == "released" else total


def _where_counted(
    nonzeros: NonZeros, log_mean: Tensor, theta: Tensor, log_ratio: Tensor, dropout: Tensor, if_zero: Tensor
) -> Tensor:
    """Return what the non-zero entries add to the sum that took all entries for zeros."""
    log_mean, theta, log_ratio, dropout, if_zero = (
        part.flatten()[nonzeros.index] for part in (log_mean, theta, log_ratio, dropout, if_zero)
    )
    x = nonzeros.value
    coefficient = torch.lgamma(theta) + torch.lgamma(x + 1) - torch.lgamma(x + theta)
    counted = coefficient + (theta + x) * log_ratio + x * (theta.log() - log_mean) + softplus(dropout)
    return (counted - if_zero).sum()
