"""The methods by name: from spots to one run per seed, whichever network or baseline makes it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from jaxtyping import Float, Int
from torch import Tensor

from genesem_train.baselines import principal_components, smooth_components
from genesem_train.config import FitConfig
from genesem_train.domains import CLUSTERERS, agreement, consensus, joint_domains, kmeans_domains, vote_smooth
from genesem_train.errors import ConfigError
from genesem_train.improved.embedding import embedding, field_job
from genesem_train.improved.inputs import field_inputs
from genesem_train.models.backbones import backbone_class
from genesem_train.networks import make_network, make_slide_inputs
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots
from genesem_train.training.checkpoints import Checkpoints
from genesem_train.training.fit import Trained
from genesem_train.training.parallel import Job, cuda_device, process_group, receive_job, share_out

OnEpoch = Callable[[int, int, int, dict[str, float]], None]
"""Called with the seed, epochs done and to do over all seeds, and the loss terms of the epoch."""

Domains = Int[np.ndarray, " spot"]
Vectors = Float[np.ndarray, "spot dim"]

BASELINES = ("pca", "smooth-pca")


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
    facts: dict[str, float] = field(default_factory=dict)
    """How its graphs came out."""
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """What prediction needs beside the weights, by name."""


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A network of one slide, ready to be trained, and what is made of the fitted ones of a seed."""

    job: Job
    finish: Callable[[int, Sequence[Trained]], Trained]
    """From the seed and its networks to the last of them with what of all is clustered and kept."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a plain method finds: its components are the same for all seeds, which differ in where k-means starts."""

    latent: Float[np.ndarray, "spot component"]
    """The components that it clusters."""
    domains: Domains
    """The best of 50 starts, as many as a consensus of latents has."""
    seeds: Mapping[int, Domains]
    """The best of 10 starts of every seed of the fit."""


def fit_seeds(
    config: FitConfig,
    kept: AnnData,
    spots: Spots,
    semantics: Semantics | None,
    on_epoch: OnEpoch,
    checkpoints: Checkpoints,
) -> dict[int, SeedRun]:
    """Return one run per seed of the configured method; `kept` is the slide's kept spots with all genes."""
    return dict(seed_runs(config, kept, spots, semantics, on_epoch, checkpoints))


def seed_runs(
    config: FitConfig,
    kept: AnnData,
    spots: Spots,
    semantics: Semantics | None,
    on_epoch: OnEpoch,
    checkpoints: Checkpoints,
) -> Iterator[tuple[int, SeedRun]]:
    """Yield each seed and its run as it is finished; graphs are built once for all."""
    if config.method != "semst":
        yield from _plain_runs(config, kept, spots)
        return
    checkpoints.begin()
    trainer = TRAINERS[config.mode](config, spots, None if semantics is None else semantics.matrix)
    job, finish = share_out(trainer.job, process_group()), trainer.finish
    del trainer  # where processes share the spots, this one holds no longer all of them
    epochs, done = config.training.epochs, 0
    total = len(config.training.seeds) * config.training.networks * epochs
    for seed, networks in _seed_settings(config).items():
        fitted = []
        for settings in networks:
            told = _epochs_of(seed, done, total, on_epoch)
            fitted.append(job.fit(**settings, resumable=checkpoints.of(settings["seed"]), on_epoch=told))
            done += epochs
        yield seed, _trained_run(finish(seed, fitted), config, spots, seed)


def seed_consensus(
    config: FitConfig, runs: Mapping[int, SeedRun], spots: Spots
) -> tuple[Domains, Float[np.ndarray, " spot"]]:
    """Return the domains of all seeds together, and per spot the share of seeds that agree, 0 to 1."""
    labellings = [run.domains for run in runs.values()]
    if config.domains.consensus == "labels" or len(runs) == 1:
        return consensus(labellings, spots.n_domains)
    domains = _voted(joint_domains([run.latent for run in runs.values()], spots.n_domains), config, spots)
    return domains, agreement(labellings, domains)


def follow(config: FitConfig) -> None:
    """Take part in the fit that the leading process of several makes; it keeps what comes out of it.

    Raises
    ------
    TrainError
        When the leading process ended, or a loss is no longer finite.
    """
    if config.method != "semst":
        return
    job = receive_job(process_group())
    for networks in _seed_settings(config).values():
        for settings in networks:
            job.fit(**settings)


def _seed_settings(config: FitConfig) -> dict[int, list[dict[str, Any]]]:
    """Return by seed how to train each of its networks; no two seeds have one in common."""
    training = config.training
    shared = {
        "epochs": training.epochs,
        "lr": training.lr,
        "weight_decay": training.weight_decay,
        "device": _device(training.device),
    }
    return {
        seed: [{**shared, "seed": seed * training.networks + number} for number in range(training.networks)]
        for seed in training.seeds
    }


def _faithful(config: FitConfig, spots: Spots, semantics: Vectors | None) -> Trainer:
    """A published method on the scaled values: SemST with its two views and three losses, or another backbone."""
    slide_of = spots.slide_of if spots.slides else None
    inputs, facts = make_slide_inputs(config, spots.data.X, spots.coords, semantics, slide_of)
    semantic_dim = None if semantics is None else semantics.shape[1]
    network = partial(make_network, config, spots.data.n_vars, semantic_dim, spots.data.n_obs)
    clip_norm = backbone_class(config.model.backbone).clip_norm
    job = Job(network=network, inputs=inputs, settings={"clip_norm": clip_norm})

    def finish(seed: int, networks: Sequence[Trained]) -> Trained:
        (trained,) = networks
        return replace(trained, facts=facts)

    return Trainer(job=job, finish=finish)


def _improved(config: FitConfig, spots: Spots, semantics: Vectors | None) -> Trainer:
    """The method that the slide itself decides, from counts and coordinates; field and latents are clustered."""
    prepared = field_inputs(
        spots.data.layers["counts"], spots.coords, semantics, slide_of=spots.slide_of, slack=config.smoothing.slack
    )
    model, shared = config.model, prepared.transforms.tensors()
    decided = prepared.transforms
    facts = {"own_share": decided.own_share, "n_neighbours": float(decided.n_neighbours)}
    job = field_job(prepared, fusion=model.fusion, hidden_dim=model.hidden_dim, latent_dim=model.latent_dim)

    def finish(seed: int, networks: Sequence[Trained]) -> Trained:
        embedded, embedder = embedding(prepared, networks)
        seconds = sum(trained.seconds for trained in networks)
        kept = shared | embedder.tensors(seed)
        return replace(networks[-1], latent=embedded, seconds=seconds, facts=facts, kept=kept)

    return Trainer(job=job, finish=finish)


TRAINERS: Mapping[str, Callable[[FitConfig, Spots, Vectors | None], Trainer]] = MappingProxyType(
    {"faithful": _faithful, "improved": _improved}
)


def run_baselines(config: FitConfig, kept: AnnData, spots: Spots) -> dict[str, Baseline]:
    """Return the plain methods that every report shows, with the seeds of the fit."""
    return {name: _run_baseline(_plain_latent(name, config, kept), config, spots) for name in BASELINES}


def _run_baseline(latent: Vectors, config: FitConfig, spots: Spots) -> Baseline:
    seeds = {seed: kmeans_domains(latent, spots.n_domains, seed) for seed in config.training.seeds}
    return Baseline(latent=latent, domains=joint_domains([latent], spots.n_domains), seeds=seeds)


def _trained_run(trained: Trained, config: FitConfig, spots: Spots, seed: int) -> SeedRun:
    clustered = CLUSTERERS[config.domains.clusterer](trained.latent, spots.n_domains, seed)
    found = _voted(clustered, config, spots)
    return SeedRun(
        latent=trained.latent,
        domains=found,
        losses=trained.losses,
        alpha=trained.alpha,
        beta=trained.beta,
        weights=trained.weights,
        seconds=trained.seconds,
        facts=trained.facts,
        kept=trained.kept,
    )


def _voted(domains: Domains, config: FitConfig, spots: Spots) -> Domains:
    k = config.domains.vote_neighbours
    return vote_smooth(domains, spots.coords, k) if k else domains


def _plain_runs(config: FitConfig, kept: AnnData, spots: Spots) -> Iterator[tuple[int, SeedRun]]:
    begun = time.perf_counter()
    latent = _plain_latent(config.method, config, kept)
    for seed in config.training.seeds:
        found = kmeans_domains(latent, spots.n_domains, seed)
        yield seed, SeedRun(latent=latent, domains=found, seconds=time.perf_counter() - begun)
        begun = time.perf_counter()


def _plain_latent(name: str, config: FitConfig, kept: AnnData) -> Vectors:
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
    if wanted == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return cuda_device()
