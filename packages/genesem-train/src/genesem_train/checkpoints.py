"""A fit that can be broken off and taken up again with the same result.

A checkpoint is one file of tensors and numbers, written beside its place and renamed into it. It is read without
executing anything in it, and only by the fit whose stamp it carries.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genesem_train.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where a fit stood after an epoch."""

    stamp: str
    """What the fit is of: settings and data, not how long it is to run."""
    network: dict[str, Tensor]
    optimiser: dict[str, Any]
    losses: dict[str, list[float]]
    """One value per epoch done."""
    random_state: Tensor


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
        checkpoint = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
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
