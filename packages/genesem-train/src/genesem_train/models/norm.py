"""Batch norm over the spots of all processes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genesem_train.rows import ALL_ROWS, Rows


class BatchNorm(nn.BatchNorm1d):
    """torch's own, its means and variances over every spot where several processes share them."""

    def forward(self, features: Float[Tensor, "spot dim"], rows: Rows = ALL_ROWS) -> Float[Tensor, "spot dim"]:
        """Return the normalised features; in training the running means and variances follow."""
        if rows.n_processes == 1 or not self.training:
            return super().forward(features)
        n_spots = rows.count(len(features))
        mean = rows.sum(features.sum(dim=0)) / n_spots
        centred = features - mean
        variance = rows.sum(centred.square().sum(dim=0)) / n_spots
        self._follow(mean.detach(), variance.detach() * n_spots / max(n_spots - 1, 1))
        return centred * (variance + self.eps).rsqrt() * self.weight + self.bias

    def _follow(self, mean: Float[Tensor, " dim"], variance: Float[Tensor, " dim"]) -> None:
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)
