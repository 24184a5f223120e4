"""The methods by name: from spots to one run per seed, whichever network or baseline makes it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from anndata import AnnData
from jaxtyping import Float, Int
from torch import Tensor

from genesem_train.baselines import principal_components, smooth_components
from genesem_train.config import FitConfig
from genesem_train.domains import kmeans_domains, vote_smooth
from genesem_train.errors import ConfigError
from genesem_train.fit import LossWeights, Trained, fit_semst
from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots

OnEpoch = Callable[[int, int, int, dict[str, float]], None]
"""Called with the seed, epochs done and to do over all seeds, and the loss terms of the epoch."""

Domains = Int[np.ndarray, " spot"]


@dataclass(frozen=True, kw_only=True)
class SeedRun:
    """One seed's latent and domains, and how the network got there; a baseline has no losses and no weights."""

    latent: Float[np.ndarray, "spot dim"]
    domains: Domains
    losses: dict[str, list[float]] = field(default_factory=dict)
    alpha: Float[np.ndarray, "spot dim"] | None = None
    beta: Float[np.ndarray, "spot dim"] | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


def fit_seeds(
    config: FitConfig, kept: AnnData, spots: Spots, semantics: Semantics | None, on_epoch: OnEpoch
) -> dict[int, SeedRun]:
    """Return one run per seed of the configured method; `kept` is the slide's kept spots with all genes."""
    if config.method != "semst":
        return {seed: _plain_run(config, kept, spots, seed) for seed in config.training.seeds}
    graph, training = config.graph, config.training
    spatial = spatial_graph(spots.coords, kind=graph.spatial, radius=graph.radius, k=graph.spatial_k)
    feature = feature_graph(spots.data.X, k=graph.feature_k)
    views = (
        propagation(spatial, norm=graph.propagation, self_weight=graph.self_weight),
        propagation(feature, norm=graph.propagation),
    )
    runs = {}
    for position, seed in enumerate(training.seeds):
        report = _epochs_of(seed, position * training.epochs, len(training.seeds) * training.epochs, on_epoch)
        trained = fit_semst(
            spots.data.X,
            spatial,
            *views,
            semantics=None if semantics is None else semantics.matrix,
            fusion=config.model.fusion,
            hidden_dim=config.model.hidden_dim,
            latent_dim=config.model.latent_dim,
            modulator_ratio=config.model.modulator_ratio,
            loss_form=config.loss.form,
            loss_weights=LossWeights(
                zinb=config.loss.zinb, spatial=config.loss.spatial, correlation=config.loss.correlation
            ),
            epochs=training.epochs,
            lr=training.lr,
            weight_decay=training.weight_decay,
            seed=seed,
            device=_device(training.device),
            on_epoch=report,
        )
        runs[seed] = _trained_run(trained, config, spots, seed)
    return runs


def run_baselines(config: FitConfig, kept: AnnData, spots: Spots) -> dict[str, Domains]:
    """Return the domains of the plain methods that every report shows."""
    return {name: _plain_domains(name, config, kept, spots, seed=0) for name in ("pca", "smooth-pca")}


def _trained_run(trained: Trained, config: FitConfig, spots: Spots, seed: int) -> SeedRun:
    found = kmeans_domains(trained.latent, spots.n_domains, seed)
    if config.domains.vote_neighbours:
        found = vote_smooth(found, spots.coords, config.domains.vote_neighbours)
    return SeedRun(
        latent=trained.latent,
        domains=found,
        losses=trained.losses,
        alpha=trained.alpha,
        beta=trained.beta,
        weights=trained.weights,
        seconds=trained.seconds,
    )


def _plain_run(config: FitConfig, kept: AnnData, spots: Spots, seed: int) -> SeedRun:
    begun = time.perf_counter()
    found = _plain_domains(config.method, config, kept, spots, seed)
    latent = _plain_latent(config.method, config, kept)
    return SeedRun(latent=latent, domains=found, seconds=time.perf_counter() - begun)


def _plain_domains(name: str, config: FitConfig, kept: AnnData, spots: Spots, seed: int) -> Domains:
    return kmeans_domains(_plain_latent(name, config, kept), spots.n_domains, seed)


def _plain_latent(name: str, config: FitConfig, kept: AnnData) -> Float[np.ndarray, "spot dim"]:
    if name == "pca":
        return principal_components(kept)
    return smooth_components(kept, single_cell=config.data.resolution == "single-cell")


def _epochs_of(seed: int, done: int, total: int, on_epoch: OnEpoch) -> Callable[[int, dict[str, float]], None]:
    """Return the callback of one seed's fit, which counts epochs over all seeds."""
    return lambda epoch, losses: on_epoch(seed, done + epoch, total, losses)


def _device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        msg = "--device cuda: torch finds no CUDA device; take --device cpu"
        raise ConfigError(msg)
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
