"""Several processes and one network: each process trains on slides of its own, gradients are averaged over spots.

What enters are the variables that `torchrun` sets; what leaves is the same network in every process. Nothing but
`torch.distributed` is needed. A slide is never divided: edges join spots of one slide alone, so no process has to know
another's spots.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import nn

from genesem_train.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes of a fit."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0


def process_group() -> Group:
    """Return the group that this process is of; it is joined on the first call, a process by itself is its own."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return Group()
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return Group(rank=dist.get_rank(), size=size)


def share_slides(n_spots: Sequence[int], n_processes: int) -> list[list[int]]:
    """Return which slides each process takes: the largest first, each to the process with fewest spots.

    Raises
    ------
    ConfigError
        When there are more processes than slides.
    """
    if len(n_spots) < n_processes:
        msg = (
            f"{n_processes} processes for {len(n_spots)} slides; expected at least one slide a process: start fewer "
            "with torchrun --nproc-per-node"
        )
        raise ConfigError(msg)
    shares: list[list[int]] = [[] for _ in range(n_processes)]
    loads = np.zeros(n_processes)
    for slide in sorted(range(len(n_spots)), key=lambda one: -n_spots[one]):
        lightest = int(loads.argmin())
        shares[lightest].append(slide)
        loads[lightest] += n_spots[slide]
    return [sorted(share) for share in shares]


@dataclass(frozen=True, kw_only=True)
class GradientAverage:
    """The gradient and losses of all processes, each counting by its spots: those of the mean over all spots."""

    weight: float
    """Share of all spots that this process has, 0 to 1."""

    def __call__(self, network: nn.Module, losses: dict[str, float]) -> dict[str, float]:
        """Replace the network's gradients by the average, and return the average of the losses."""
        parameters = [one for one in network.parameters() if one.requires_grad]
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
        numbers = torch.tensor(list(losses.values()), dtype=torch.float64)
        flat = torch.cat([part.reshape(-1).cpu() for part in parts]) * self.weight
        numbers *= self.weight
        dist.all_reduce(flat)
        dist.all_reduce(numbers)
        for one, part in zip(parameters, torch.split(flat, [part.numel() for part in parts]), strict=True):
            one.grad = part.view_as(one).to(one.device)
        return dict(zip(losses, numbers.tolist(), strict=True))


def gather_rows(
    own: Float[np.ndarray, "own_spot dim"], rows: Int[np.ndarray, " own_spot"], n_spots: int
) -> Float[np.ndarray, "spot dim"]:
    """Return the rows of all processes, each at its place."""
    parts: list[tuple[np.ndarray, np.ndarray]] = [(rows, own)] * dist.get_world_size()
    dist.all_gather_object(parts, (rows, own))
    gathered = np.empty((n_spots, own.shape[1]), dtype=own.dtype)
    for places, values in parts:
        gathered[places] = values
    return gathered
