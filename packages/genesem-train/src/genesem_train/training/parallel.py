"""Several processes and one fit: the leading one reads and writes, all of them train, each on its own spots.

What enters are the variables that `torchrun` and `accelerate launch` set. The leading process reads the slide, makes
the graphs and sends the others their rows, so that it alone ever holds all of them; `genesem_train.rows` is how they
work together from then on. Nothing but `torch.distributed` is needed.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Int

from genesem_train.errors import ConfigError, TrainingError
from genesem_train.models.backbone import Backbone, SlideInputs
from genesem_train.rows import SharedRows
from genesem_train.training.fit import Trained, fit_backbone

PATIENCE = timedelta(days=2)
"""How long a process waits for the graphs of a large slide; one that has ended is noticed at once."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes of a fit."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that reads, writes and prints."""
        return self.rank == 0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to take part in a fit."""

    network: Callable[[], Backbone]
    """Makes the untrained network; a function that can be sent."""
    inputs: SlideInputs
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of `fit_backbone`, the same for all seeds."""

    def fit(self, **settings: Any) -> Trained:  # noqa: ANN401 (the rest of what `fit_backbone` takes)
        """Return the network fitted for one seed."""
        return fit_backbone(self.network, self.inputs, **self.settings, **settings)


def process_group() -> Group:
    """Return the group that this process is of; it is joined on the first call, a process by itself is its own."""
    size = _n_started()
    if size == 1:
        return Group()
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=PATIENCE)
    return Group(rank=dist.get_rank(), size=size)


@contextmanager
def leaving_group() -> Iterator[None]:
    """Leave the group of processes at the end, however it comes.

    A process that exits within one can be aborted by the group's threads, and its launcher then stops all others.
    """
    try:
        yield
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def refuse_several(what: str) -> None:
    """Raise ConfigError where several processes were started for `what`, which takes one."""
    if (size := _n_started()) > 1:
        msg = (
            f"{size} processes were started for {what} (WORLD_SIZE is set); expected one, as only a fit of domains is "
            "shared: start it without torchrun or accelerate launch"
        )
        raise ConfigError(msg)


def _n_started() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def cuda_device() -> str:
    """Return the GPU of this process: of several processes on a machine, each takes the next one."""
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


def share_out(job: Job, group: Group) -> Job:
    """Send every other process its part of the job, and return that of the leading process, which calls this.

    Raises
    ------
    ConfigError
        When there are more processes than spots.
    """
    if group.size == 1:
        return job
    sizes = cut_rows(job.inputs.work, group.size)
    for rank in range(1, group.size):  # one after another, so that one part more is held at a time
        dist.send_object_list([replace(job, inputs=job.inputs.share(SharedRows(sizes, rank)))], dst=rank)
    return replace(job, inputs=job.inputs.share(SharedRows(sizes, group.rank)))


def receive_job(group: Group) -> Job:
    """Return this process's part of the job that the leading process shares out.

    Raises
    ------
    TrainingError
        When that process ended before.
    """
    received: list[Any] = [None]
    try:
        dist.recv_object_list(received, src=0)
    except RuntimeError as error:
        msg = (
            f"process {group.rank} waited for its spots and the leading process ended; expected it to read the slide: "
            "see its message"
        )
        raise TrainingError(msg) from error
    job: Job = received[0]
    return job


def cut_rows(work: Int[np.ndarray, " spot"], n_processes: int) -> tuple[int, ...]:
    """Return how many spots each process takes, in their order, so that all have about the same work.

    Raises
    ------
    ConfigError
        When there are more processes than spots.
    """
    if n_processes > len(work):
        msg = f"{n_processes} processes for {len(work)} spots; expected a spot each at least: start fewer"
        raise ConfigError(msg)
    done = np.cumsum(work)
    ends = np.searchsorted(done, done[-1] * np.arange(1, n_processes) / n_processes) + 1
    for process in range(n_processes - 1):  # none goes without a spot
        least = 1 + (ends[process - 1] if process else 0)
        ends[process] = np.clip(ends[process], least, len(work) - (n_processes - 1 - process))
    return tuple(np.diff(ends, prepend=0, append=len(work)).tolist())
