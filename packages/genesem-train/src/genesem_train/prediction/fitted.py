"""What a fit leaves behind for slides to come: its genes and their scales, its weights, the centres of its domains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genesem_embed.datasets import scale_counts
from genesem_train.config import FitConfig
from genesem_train.errors import ConfigError
from genesem_train.methods import SeedRun
from genesem_train.outputs import SEED, WEIGHTS, load_weights
from genesem_train.prediction.centres import FittedDomains
from genesem_train.spots import Spots

SCALES = "scales"
GENES = "genes"


@dataclass(frozen=True, kw_only=True)
class FittedState:
    """What prediction needs beside the weights."""

    genes: list[str]
    scales: Float[np.ndarray, " gene"]
    """What the values of each gene were divided by."""
    domains: FittedDomains
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """What the method itself keeps, by name: nothing for a published one."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the numbers by name, as `model.safetensors` has them."""
        scales = torch.from_numpy(np.asarray(self.scales, dtype=np.float64))
        return {SCALES: scales, **self.domains.tensors(), **self.kept}

    def notes(self) -> dict[str, str]:
        """Return the texts by name."""
        return {GENES: json.dumps(self.genes)}


def fitted_state(
    config: FitConfig, spots: Spots, runs: Mapping[int, SeedRun], domains: Int[np.ndarray, " spot"]
) -> FittedState | None:
    """Return what prediction will need; None for a method whose fit does not carry over to another slide."""
    if not carries_over(config):
        return None
    return FittedState(
        genes=[str(name) for name in spots.data.var_names],
        scales=scale_counts(spots.data.layers["counts"], config.preprocess.scaling).scales,
        domains=FittedDomains.learn(
            {seed: run.latent for seed, run in runs.items()},
            {seed: run.domains for seed, run in runs.items()},
            domains,
            joint=config.domains.consensus == "latents",
            tied=config.domains.clusterer == "gmm",
        ),
        kept={name: tensor for run in runs.values() for name, tensor in run.kept.items()},
    )


def carries_over(config: FitConfig) -> bool:
    """Tell whether a fitted network can be shown another slide."""
    return config.method == "semst"


def load_fitted(folder: Path) -> tuple[FittedState, dict[int, dict[str, Tensor]]]:
    """Return the state and the weights of every seed of the fit in `folder`.

    Raises
    ------
    ConfigError
        When the folder holds no fit, or one from before states were kept.
    """
    path = folder / WEIGHTS
    if not path.exists():
        msg = f"{folder} holds no fitted model ({WEIGHTS} is missing); expected the --out folder of a finished fit"
        raise ConfigError(msg)
    try:
        with safe_open(path, framework="pt") as file:
            notes = file.metadata() or {}
            names = [name for name in file.keys() if not name.startswith(SEED)]  # noqa: SIM118 (no mapping)
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        msg = f"{path} cannot be read as a fitted model: {error}; fit again"
        raise ConfigError(msg) from error
    if GENES not in notes or SCALES not in tensors:
        msg = f"{path} does not say which genes it was fitted to; it is of an earlier version: fit again"
        raise ConfigError(msg)
    weights = load_weights(path)
    scales, domains = tensors.pop(SCALES).numpy(), FittedDomains.from_tensors(tensors)
    if domains.centres.keys() != weights.keys():
        msg = f"{path} has weights of {len(weights)} seeds and domains of {len(domains.centres)}: fit again"
        raise ConfigError(msg)
    kept = {name: tensor for name, tensor in tensors.items() if name not in domains.tensors()}
    state = FittedState(genes=json.loads(notes[GENES]), scales=scales, domains=domains, kept=kept)
    return state, weights
