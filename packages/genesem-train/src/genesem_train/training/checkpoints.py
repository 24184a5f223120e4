"""A fit that can be broken off and taken up again with the same result.

A checkpoint is one file of tensors and numbers, written beside its place and renamed into it. It is read without
executing anything in it, and only by the fit whose stamp it carries.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from genesem_train.errors import ConfigError
from genesem_train.rows import Rows

SEED = "seed-"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a fit stood after an epoch."""

    stamp: str
    """What the fit is of: settings and data, not how long it is to run."""
    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    losses: dict[str, list[float]]
    """One value per epoch done."""
    readouts: dict[int, Tensor]
    readout_weights: dict[int, dict[str, Tensor]]
    """The network as it stood at those epochs."""
    random_state: Tensor
    seconds: float
    """That training took until then."""


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """Where a fit keeps its checkpoints."""

    path: Path
    stamp: str
    """What the fit is of (settings and data, not the number of epochs); another stamp is refused."""
    every: int = 50
    """Epochs between checkpoints; breaking off writes one more."""
    resume: bool = False
    """Whether to go on from the checkpoint that is there."""


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The checkpoints of a fit of several networks: one file each in a folder that a finished fit removes."""

    folder: Path
    stamp: str
    resume: bool = False

    def of(self, seed: int) -> Resumable:
        """Return where the network that starts from `seed` keeps its checkpoints."""
        return Resumable(path=self.folder / f"{SEED}{seed}.pt", stamp=f"{self.stamp}/{seed}", resume=self.resume)

    def begin(self) -> None:
        """Take up what is there, or remove it: a fit that begins anew leaves nothing of another to go on from.

        Raises
        ------
        ConfigError
            When a checkpoint to go on from cannot be read, or is of another fit.
        """
        if not self.resume:
            self.remove()
        for path in sorted(self.folder.glob(f"{SEED}*.pt")):
            load_checkpoint(path, f"{self.stamp}/{path.stem.removeprefix(SEED)}")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint; whatever stops it, `path` holds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    torch.save(vars(checkpoint), beside)
    beside.replace(path)


def load_checkpoint(path: Path, stamp: str) -> Checkpoint:
    """Return the checkpoint at `path`.

    Raises
    ------
    ConfigError
        When it cannot be read, or is of a fit with another stamp.
    """
    try:
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except Exception as error:
        msg = f"{path} cannot be read as a checkpoint: {error}; delete it, or fit without --resume"
        raise ConfigError(msg) from error
    if checkpoint.stamp != stamp:
        msg = (
            f"{path} is of another fit: stamp {checkpoint.stamp[:12]} there, {stamp[:12]} here (settings or data "
            "changed); take the same --config and slide, another --out, or fit without --resume"
        )
        raise ConfigError(msg)
    return checkpoint


def take_up(
    resumable: Resumable | None, rows: Rows, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[dict[str, list[float]], dict[int, Float[np.ndarray, "spot dim"]], dict[int, dict[str, Tensor]], float]:
    """Bring network and optimiser to where a checkpoint left them, in all processes that share the spots.

    Returns
    -------
    tuple
        The losses until then, by epoch the readouts and the weights that they are of, and the seconds it took.
    """
    kept = None
    if resumable is not None and resumable.resume and resumable.path.exists():
        kept = load_checkpoint(resumable.path, resumable.stamp)
    checkpoint = rows.from_leader(kept)
    if checkpoint is None:
        return {"total": []}, {}, {}, 0.0
    network.load_state_dict(checkpoint.network)
    optimiser.load_state_dict(checkpoint.optimiser)
    torch.set_rng_state(checkpoint.random_state)
    readouts = {epoch: readout.numpy() for epoch, readout in checkpoint.readouts.items()}
    return checkpoint.losses, readouts, checkpoint.readout_weights, checkpoint.seconds


def set_down(
    resumable: Resumable,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    losses: dict[str, list[float]],
    readouts: Mapping[int, Float[np.ndarray, "spot dim"]],
    readout_weights: Mapping[int, Mapping[str, Tensor]],
    seconds: float,
) -> None:
    """Keep where network and optimiser stand."""
    checkpoint = Checkpoint(
        stamp=resumable.stamp,
        network=network.state_dict(),
        optimiser=optimiser.state_dict(),
        losses=losses,
        readouts={epoch: torch.from_numpy(readout) for epoch, readout in readouts.items()},
        readout_weights={epoch: dict(weights) for epoch, weights in readout_weights.items()},
        random_state=torch.get_rng_state(),
        seconds=seconds,
    )
    save_checkpoint(resumable.path, checkpoint)
