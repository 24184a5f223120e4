"""Latents of a slide that a fit has not seen, for each kind of fit, from what it left behind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor

from genesem_train.config import FitConfig
from genesem_train.errors import ConfigError
from genesem_train.fitted import FittedState
from genesem_train.improved import Embedder, field_network
from genesem_train.methods import Vectors
from genesem_train.networks import make_network, make_slide_inputs
from genesem_train.predict import predict_readout
from genesem_train.slide_field import FieldTransforms, field_inputs_like
from genesem_train.spots import Spots

Weights = Mapping[int, Mapping[str, Tensor]]
"""Of every seed, as the last epoch left them."""
Found = tuple[dict[int, Vectors], dict[str, float]]


class LatentsOf(Protocol):
    """A kind of fit, as prediction sees it."""

    def __call__(
        self, config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
    ) -> Found:
        """Return every seed's latent of the spots, and how their graphs came out."""


def new_latents(
    config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
) -> Found:
    """Return every seed's latent of new spots, and how their graphs came out.

    Raises
    ------
    ConfigError
        When the state is not of a fit in the mode that the settings name.
    """
    return KINDS[config.mode](config, state, weights, spots, semantics)


def _published(
    config: FitConfig, state: FittedState, weights: Weights, spots: Spots, semantics: Vectors | None
) -> Found:
    inputs, facts = make_slide_inputs(config, spots.data.X, spots.coords, semantics)
    semantic_dim = None if semantics is None else semantics.shape[1]
    network = make_network(config, len(state.genes), semantic_dim, len(spots.coords))
    return {seed: predict_readout(network, own, inputs) for seed, own in weights.items()}, facts


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
