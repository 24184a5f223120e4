"""Which spots of a fit this process holds, and what it takes from the others.

A network is written once, for whatever rows it is given. A process by itself holds every spot, and what it gathers or
sums is what it has. Of several processes each holds consecutive spots: their values, semantics and edges. What a graph
convolution needs of other spots is gathered at the hidden width, which is small beside the genes.

One rule makes the gradients those of one process. Every process ends with the whole loss, so there are as many copies
of it as processes: each takes the gradient of its copy over their number, what was gathered or summed passes back the
sum of all gradients that reach it, and the gradients of the parameters are summed before a step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Rows:
    """Every spot: this process is by itself."""

    @property
    def n_processes(self) -> int:
        """How many processes share the spots."""
        return 1

    @property
    def start(self) -> int:
        """The number of this process's first spot."""
        return 0

    def count(self, n_own: int) -> int:
        """Return the spots of all processes, from the number of this one's."""
        return n_own

    def gather(self, own: Float[Tensor, "own ..."]) -> Float[Tensor, "spot ..."]:
        """Return the rows of all processes in the order of spots; differentiable."""
        return own

    def stack(self, own: Float[Tensor, "..."]) -> Float[Tensor, "process ..."]:
        """Return one tensor a process, side by side; differentiable."""
        return own[None]

    def sum(self, own: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the sum over all processes; differentiable."""
        return own

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sum over all processes."""

    def any(self, said: bool) -> bool:  # noqa: FBT001 (the only argument)
        """Return whether it is so in any process."""
        return said

    def from_leader(self, thing: Thing) -> Thing:
        """Return what the leading process has there."""
        return thing


ALL_ROWS = Rows()


@dataclass(frozen=True)
class SharedRows(Rows):
    """The spots of one process of several."""

    sizes: tuple[int, ...]
    """Spots of every process; the blocks follow each other."""
    rank: int

    @property
    def n_processes(self) -> int:
        """How many processes share the spots."""
        return len(self.sizes)

    @property
    def start(self) -> int:
        """The number of this process's first spot."""
        return sum(self.sizes[: self.rank])

    @property
    def stop(self) -> int:
        """The number of the spot after this process's last."""
        return self.start + self.sizes[self.rank]

    def count(self, n_own: int) -> int:
        """Return the spots of all processes, from the number of this one's."""
        return sum(self.sizes)

    def gather(self, own: Float[Tensor, "own ..."]) -> Float[Tensor, "spot ..."]:
        """Return the rows of all processes in the order of spots; differentiable."""
        whole: Tensor = _Gather.apply(own, self.sizes, self.rank)  # type: ignore[no-untyped-call]
        return whole

    def stack(self, own: Float[Tensor, "..."]) -> Float[Tensor, "process ..."]:
        """Return one tensor a process, side by side; differentiable."""
        whole: Tensor = _Gather.apply(own[None], (1,) * self.n_processes, self.rank)  # type: ignore[no-untyped-call]
        return whole

    def sum(self, own: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the sum over all processes; differentiable."""
        total: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
        return total

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace gradients by their sum over all processes."""
        trained = [one for one in parameters if one.grad is not None]  # the same everywhere, as the network is
        parts = [one.grad.reshape(-1) for one in trained if one.grad is not None]
        summed = torch.split(_summed(torch.cat(parts)), [len(part) for part in parts])
        for one, part in zip(trained, summed, strict=True):
            one.grad = part.view_as(one)

    def any(self, said: bool) -> bool:  # noqa: FBT001 (the only argument)
        """Return whether it is so in any process."""
        return bool(_summed(torch.tensor([float(said)])) > 0)

    def from_leader(self, thing: Thing) -> Thing:
        """Return what the leading process has there."""
        things = [thing]
        dist.broadcast_object_list(things, src=0)
        return things[0]


class _Gather(torch.autograd.Function):
    """Every process tells the others its rows; a row's gradient is the sum over all that were told it.

    Through the memory of the CPU, whatever the device. Blocks are sent straight into their places, so that they need
    not be equally long.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:  # noqa: ANN401 (torch's context)
        ctx.sizes, ctx.rank = sizes, rank
        whole = torch.empty(sum(sizes), *own.shape[1:], dtype=own.dtype)
        blocks = torch.split(whole, list(sizes))
        blocks[rank].copy_(own)
        _wait([dist.broadcast(block, owner, async_op=True) for owner, block in enumerate(blocks)])
        return whole.to(own.device)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401 (torch's context)
        blocks = torch.split(torch.empty(gradient.shape, dtype=gradient.dtype).copy_(gradient), ctx.sizes)
        _wait([dist.reduce(block, owner, async_op=True) for owner, block in enumerate(blocks)])
        return blocks[ctx.rank].to(gradient.device, copy=True), None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        return _summed(own)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 (torch's context)
        return _summed(gradient)


def _summed(own: Tensor) -> Tensor:
    total = torch.empty(own.shape, dtype=own.dtype).copy_(own)
    dist.all_reduce(total)
    return total.to(own.device)


def _wait(pending: Iterable[Any]) -> None:
    for work in pending:
        work.wait()
