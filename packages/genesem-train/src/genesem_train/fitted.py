"""What a fit leaves behind for slides to come: its genes and their scales, its weights, the centres of its domains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor

from genesem_train.config import FitConfig
from genesem_train.domains import match_labels
from genesem_train.errors import ConfigError
from genesem_train.methods import SeedRun
from genesem_train.outputs import WEIGHTS, load_weights
from genesem_train.predict import domain_centres, gene_scales
from genesem_train.spots import Spots

SCALES = "scales"
CENTRES = "centres"
GENES = "genes"


@dataclass(frozen=True, kw_only=True)
class FittedState:
    """What prediction needs beside the weights."""

    genes: list[str]
    scales: Float[np.ndarray, " gene"]
    """What the values of each gene were divided by."""
    centres: Mapping[int, Float[np.ndarray, "domain dim"]]
    """Per seed: the mean latent of its own domains, in the order of the consensus domains that they match."""

    def tensors(self) -> dict[str, Tensor]:
        """Return the numbers by name, as `model.safetensors` has them."""
        found = {SCALES: torch.from_numpy(np.asarray(self.scales, dtype=np.float64))}
        found |= {f"{CENTRES}/{seed}": torch.from_numpy(np.ascontiguousarray(c)) for seed, c in self.centres.items()}
        return found

    def notes(self) -> dict[str, str]:
        """Return the texts by name."""
        return {GENES: json.dumps(self.genes)}


def fitted_state(
    config: FitConfig, spots: Spots, runs: Mapping[int, SeedRun], domains: Int[np.ndarray, " spot"]
) -> FittedState | None:
    """Return what prediction will need; None for a method whose fit does not carry over to another slide."""
    if not carries_over(config):
        return None
    counts, logarithm = spots.data.layers["counts"], config.preprocess.scaling == "log1p"
    return FittedState(
        genes=[str(name) for name in spots.data.var_names],
        scales=gene_scales(counts, logarithm=logarithm),
        centres={seed: _matched_centres(run, domains) for seed, run in runs.items()},
    )


def _matched_centres(run: SeedRun, domains: Int[np.ndarray, " spot"]) -> Float[np.ndarray, "domain dim"]:
    """Return the centre of the seed's domain that each consensus domain matches, or of its spots where none does."""
    matched = match_labels(run.domains, domains)
    centres = domain_centres(run.latent, domains)
    for domain in np.unique(matched[matched >= 0]):
        centres[domain] = run.latent[matched == domain].mean(axis=0)
    return centres


def carries_over(config: FitConfig) -> bool:
    """Tell whether a fitted network can be shown another slide."""
    return config.method == "semst" and config.mode == "faithful"


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
        with safe_open(path, framework="np") as file:
            notes = file.metadata() or {}
            names = list(file.keys())
            arrays = {name: file.get_tensor(name) for name in names if name.split("/")[0] in (SCALES, CENTRES)}
    except (SafetensorError, OSError) as error:
        msg = f"{path} cannot be read as a fitted model: {error}; fit again"
        raise ConfigError(msg) from error
    if GENES not in notes or SCALES not in arrays:
        msg = f"{path} does not say which genes it was fitted to; it is of an earlier version: fit again"
        raise ConfigError(msg)
    centres = {int(name.split("/")[1]): array for name, array in arrays.items() if name != SCALES}
    return FittedState(genes=json.loads(notes[GENES]), scales=arrays[SCALES], centres=centres), load_weights(path)
