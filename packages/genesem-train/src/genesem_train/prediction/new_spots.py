"""Latents and domains of spots that a fit has not seen, for each kind of fit, from what it left behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from jaxtyping import Float
from torch import Tensor

from genesem_train.config import FitConfig
from genesem_train.domains import vote_smooth
from genesem_train.errors import ConfigError
from genesem_train.improved.embedding import Embedder, field_network
from genesem_train.improved.inputs import field_inputs_like
from genesem_train.improved.transforms import FieldTransforms
from genesem_train.methods import Domains, SeedRun, Vectors
from genesem_train.networks import make_network, make_slide_inputs
from genesem_train.prediction.fitted import FittedState
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots
from genesem_train.training.fit import readout_of

Weights = Mapping[int, Mapping[str, Tensor]]
"""Of every seed, as the last epoch left them."""
Found = tuple[dict[int, Vectors], dict[str, float]]


class LatentsOf(Protocol):
    """A kind of fit, as prediction sees it."""

    def __call__(
        self, config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
    ) -> Found:
        """Return every seed's latent of the spots, and how their graphs came out."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One run a seed, and what they come to together."""

    runs: dict[int, SeedRun]
    domains: Domains
    confidence: Float[np.ndarray, " spot"]
    """Share of the seeds that say so, 0 to 1."""


def predict_domains(
    config: FitConfig,
    state: FittedState,
    weights: Weights,
    spots: Spots,
    semantics: Semantics | None,
) -> Prediction:
    """Return the domains of new spots: each seed's nearest centre, and those of all seeds as the fit joined them.

    Raises
    ------
    ConfigError
        When the state is not of a fit in the mode that the settings name.
    """
    latents, facts = KINDS[config.mode](config, state, weights, spots, None if semantics is None else semantics.matrix)

    def voted(domains: Domains) -> Domains:
        k = config.domains.vote_neighbours
        return vote_smooth(domains, spots.coords, k) if k else domains

    labellings = {seed: voted(state.domains.of_seed(seed, latent)) for seed, latent in latents.items()}
    domains = state.domains.together(latents, labellings)
    if state.domains.joint:  # a vote over seeds is one over neighbours already
        domains = voted(domains)
    return Prediction(
        runs={seed: SeedRun(latent=latent, domains=labellings[seed], facts=facts) for seed, latent in latents.items()},
        domains=domains,
        confidence=np.mean([labels == domains for labels in labellings.values()], axis=0),
    )


def _published(
    config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
) -> Found:
    inputs, facts = make_slide_inputs(config, spots.data.X, spots.coords, semantics)
    semantic_dim = None if semantics is None else semantics.shape[1]
    network = make_network(config, len(state.genes), semantic_dim, len(spots.coords))
    return {seed: readout_of(network, own, inputs) for seed, own in weights.items()}, facts


def _improved(
    config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
) -> Found:
    try:
        transforms = FieldTransforms.from_tensors(state.kept)
        embedders = {seed: Embedder.from_tensors(state.kept, seed) for seed in weights}
    except KeyError as error:
        msg = f"the fitted model has no {error} of mode improved; it is of an earlier version or mode: fit again"
        raise ConfigError(msg) from error
    prepared = field_inputs_like(transforms, spots.data.layers["counts"], spots.coords, semantics)
    model = config.model
    network = field_network(prepared, fusion=model.fusion, hidden_dim=model.hidden_dim, latent_dim=model.latent_dim)
    return {seed: embedders[seed].embed(network, own, prepared) for seed, own in weights.items()}, {}


KINDS: Mapping[str, LatentsOf] = MappingProxyType({"faithful": _published, "improved": _improved})
