"""Zero-inflated negative binomial likelihood, in logits, its costly terms only at counts (paper, equation 10).

With dropout logit l, mean mu and inverse dispersion theta, the negative log-likelihood of a value x is
softplus(l) - logaddexp(l, -theta log1p(mu / theta)) at zero, and softplus(l) plus the negative binomial's elsewhere.
Most entries are zero, so the gamma functions are taken at the others only.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import softplus

LOG_MEAN_BOUNDS = (math.log(1e-5), math.log(1e6))
DISPERSION_BOUNDS = (1e-4, 1e4)
RIDGE = 0.05
"""Weight of the released code's pi^2 term, which the paper does not have."""


@dataclass(frozen=True)
class NonZeros:
    """The non-zero values of a block of spots."""

    index: Int[Tensor, " entry"]
    """Positions in the flattened block."""
    value: Float[Tensor, " entry"]

    def dense(self, shape: torch.Size) -> Float[Tensor, "spot gene"]:
        """Return the block, of `shape`, with its zeros."""
        return self.value.new_zeros(shape.numel()).index_copy_(0, self.index, self.value).view(shape)


def zinb_nll(
    nonzeros: NonZeros, logits: Float[Tensor, "spot three_genes"], *, form: Literal["paper", "released"]
) -> Float[Tensor, ""]:
    """Return the summed negative log-likelihood of a block of spots.

    Parameters
    ----------
    nonzeros
        The block's values that are not zero: counts, or the released code's scaled ones.
    logits
        For all genes the logarithm of the mean, then for all genes the inverse softplus of the inverse dispersion, then
        the logit of the probability of an extra zero. Mean and dispersion are kept within the released code's bounds.
    form
        ``released`` adds 0.05 pi^2 per entry.
    """
    ridge = RIDGE if form == "released" else 0.0
    total: Tensor = _Zinb.apply(logits, nonzeros.index, nonzeros.value, ridge)  # type: ignore[no-untyped-call]
    return total


class _Zinb(torch.autograd.Function):
    """The likelihood and, in the same pass, its gradient: autograd would go over the block five times as often.

    With r = mu / theta, a = theta log1p(r) and w = mu / (1 + r): da/dlog(mu) = w and da/dtheta = log1p(r) - w / theta.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, x: Tensor, ridge: float) -> Tensor:  # noqa: ANN401 (torch's context)
        mean, dispersion, dropout = logits.chunk(3, dim=1)
        slopes = torch.empty_like(logits)
        by_mean, by_dispersion, by_dropout = slopes.chunk(3, dim=1)

        log_mean = mean.clamp(*LOG_MEAN_BOUNDS)
        unbounded = softplus(dispersion)
        theta = unbounded.clamp(*DISPERSION_BOUNDS)
        mu = log_mean.exp()
        ratio = mu / theta
        log_ratio = torch.log1p(ratio)
        w = mu / ratio.add_(1)
        both = torch.addcmul(dropout, theta, log_ratio)
        soft_dropout, soft_both = softplus(dropout), softplus(both)
        pi, not_both = torch.sigmoid(dropout), torch.sigmoid(-both)
        total = (soft_dropout - soft_both).add_(both).sub_(dropout).sum()
        torch.mul(not_both, w, out=by_mean)
        theta_slope = torch.addcdiv(log_ratio, w, theta, value=-1)
        torch.mul(not_both, theta_slope, out=by_dispersion)
        torch.sub(pi, not_both.neg_().add_(1), out=by_dropout)

        lm, th, lr, w, sb, p = (part.take(index) for part in (log_mean, theta, log_ratio, w, soft_both, pi))
        gammas = torch.lgamma(th) + torch.lgamma(x + 1) - torch.lgamma(x + th)
        total += (gammas + x * (lr + th.log() - lm) + sb).sum()
        share = (th + x) * w / th
        n_genes = mean.shape[1]
        place = index + 2 * n_genes * (index // n_genes)
        flat = slopes.view(-1)
        flat[place] = share - x
        flat[place + n_genes] = torch.digamma(th) - torch.digamma(x + th) + lr + (x - share) / th
        flat[place + 2 * n_genes] = p

        by_dispersion.mul_(torch.sigmoid(dispersion))
        if _outside(mean, LOG_MEAN_BOUNDS) or _outside(unbounded, DISPERSION_BOUNDS):
            by_mean.mul_(log_mean == mean)
            by_dispersion.mul_(theta == unbounded)
        if ridge:
            squares = pi.square()
            total += ridge * squares.sum()
            by_dropout.addcmul_(squares, 1 - pi, value=2 * ridge)
        ctx.save_for_backward(slopes)
        return total

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401 (torch's context)
        (slopes,) = ctx.saved_tensors
        return grad_output * slopes, None, None, None


def _outside(values: Tensor, bounds: tuple[float, float]) -> bool:
    low, high = values.aminmax()
    return bool(low < bounds[0]) or bool(high > bounds[1])
