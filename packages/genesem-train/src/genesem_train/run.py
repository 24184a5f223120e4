"""Store to report, on one page: slide, semantics, graphs, model, fit, domains, scores, report.

The only module besides the command line that sees the config; everything it calls takes values.
"""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from jaxtyping import Float, Int
from torch import Tensor

from genesem_embed.datasets import PreprocessOptions, labels, load_slide, preprocess
from genesem_embed.store import Store, default_store
from genesem_train.baselines import principal_components, smooth_components
from genesem_train.config import FitConfig
from genesem_train.domains import consensus, kmeans_domains, vote_smooth
from genesem_train.errors import ConfigError
from genesem_train.fit import LossWeights, Trained, fit_semst
from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.metrics import label_free, score
from genesem_train.outputs import check_out, write_result
from genesem_train.report import ReportInput
from genesem_train.semantics import Semantics, random_semantics, stored_semantics

OnEpoch = Callable[[int, int, int, dict[str, float]], None]
"""Called with the seed, epochs done and to do over all seeds, and the loss terms of the epoch."""

Domains = Int[np.ndarray, " spot"]


@dataclass(frozen=True, kw_only=True)
class Spots:
    """What the network sees of a slide, and what only the scores see."""

    name: str
    data: AnnData
    """Kept spots x variable genes: scaled `X`, raw counts in ``layers["counts"]``."""
    coords: Float[np.ndarray, "spot 2"]
    annotation: "pd.Categorical[str] | None"
    n_domains: int


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


@dataclass(frozen=True, kw_only=True)
class FitOutcome:
    """The scores of a fit and where its folder is."""

    metrics: dict[str, Any]
    out: Path


def run_fit(
    config: FitConfig,
    *,
    store_place: str | None = None,
    out: Path | None = None,
    on_epoch: OnEpoch = lambda seed, done, total, losses: None,
) -> FitOutcome:
    """Return the scores of fitting `config`, having written the whole result to `out`.

    No label touches training, selection or stopping: the result of a seed is its last epoch.

    Raises
    ------
    GenesemError
        On any input, setting or store that cannot be used; nothing is written then.
    """
    begun = time.perf_counter()
    slide = load_slide(config.dataset, counts_layer=config.counts_layer, gene_symbols=config.gene_symbols)
    out = out or Path("results") / slide.uns["genesem"]["name"]
    check_out(out)
    spots = select_spots(slide, config)
    semantics = find_semantics(config, slide, spots, store_place)
    kept = slide[spots.data.obs_names]
    preprocess_s = time.perf_counter() - begun
    runs = fit_seeds(config, kept, spots, semantics, on_epoch)
    domains, confidence = consensus([run.domains for run in runs.values()], spots.n_domains)
    baselines = run_baselines(config, kept, spots)
    metrics = summarise(config, spots, semantics, runs, domains, baselines, preprocess_s)
    first = next(iter(runs.values()))
    inputs = ReportInput(
        name=spots.name,
        coords=spots.coords,
        annotation=spots.annotation,
        domains=domains,
        confidence=confidence,
        seed_domains={seed: run.domains for seed, run in runs.items()},
        latent=first.latent,
        losses={seed: run.losses for seed, run in runs.items() if run.losses},
        alpha=first.alpha,
        beta=first.beta,
        baselines=baselines,
        metrics=metrics,
        config=config.to_mapping(),
    )
    weights = {seed: run.weights for seed, run in runs.items() if run.weights}
    write_result(out, inputs, slide=spots.data, weights=weights)
    return FitOutcome(metrics=metrics, out=out)


def select_spots(slide: AnnData, config: FitConfig) -> Spots:
    """Return the preprocessed spots of `slide`, its annotation, and the number of domains to find.

    Raises
    ------
    ConfigError
        When the label key is unknown, the number of domains is not known, or there are fewer spots than domains.
    """
    key = _label_key(slide, config)
    options = PreprocessOptions(
        min_cells=config.preprocess.min_cells,
        n_hvg=config.preprocess.n_hvg,
        hvg_flavor=config.preprocess.hvg_flavor,
        scaling=config.preprocess.scaling,
    )
    data = preprocess(slide, options, drop_unlabelled=key if config.data.drop_unlabelled else None)
    annotation = labels(data, key) if key else None
    return Spots(
        name=slide.uns["genesem"]["name"],
        data=data,
        coords=np.asarray(data.obsm["spatial"], dtype=np.float64),
        annotation=annotation,
        n_domains=_n_domains(data.n_obs, annotation, config),
    )


def find_semantics(config: FitConfig, slide: AnnData, spots: Spots, store_place: str | None) -> Semantics | None:
    """Return the vectors that the model is guided by, or None where it takes none."""
    wanted = config.semantics
    if config.method != "semst" or wanted.kind == "none" or config.model.fusion == "none":
        return None
    with Store.open(store_place or default_store()) as store:
        stored = stored_semantics(
            store,
            slide,
            spots.data,
            recipe=wanted.recipe,
            top_genes=wanted.top_genes,
            space=wanted.space,
            collection=wanted.collection,
            dataset=config.dataset,
        )
    if wanted.kind == "random":  # as many numbers per spot as the vectors that they stand in for
        n_spots, dim = stored.matrix.shape
        return random_semantics(n_spots, dim, seed=config.training.seeds[0])
    return stored


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


def summarise(
    config: FitConfig,
    spots: Spots,
    semantics: Semantics | None,
    runs: dict[int, SeedRun],
    domains: Domains,
    baselines: dict[str, Domains],
    preprocess_s: float,
) -> dict[str, Any]:
    """Return ``metrics.json``: scores 0 to 100, absent where there is no annotation."""
    latent = next(iter(runs.values())).latent

    def rate(found: Domains, of: Float[np.ndarray, "spot dim"] = latent) -> dict[str, float]:
        if spots.annotation is None:
            return label_free(of, found, spots.coords)
        return score(found, spots.annotation)

    seeds = [{"seed": seed, **rate(run.domains, run.latent)} for seed, run in runs.items()]
    table = pd.DataFrame(seeds).drop(columns="seed")
    fit_s = sum(run.seconds for run in runs.values())
    metrics = {
        "method": config.method,
        "dataset": spots.name,
        "n_spots": int(spots.data.n_obs),
        "n_domains": spots.n_domains,
        "collection": semantics.collection if semantics else None,
        "space": semantics.space if semantics else None,
        "model": semantics.model if semantics else None,
        "seeds": seeds,
        "mean": table.mean().to_dict(),
        "sd": table.std(ddof=1).to_dict() if len(seeds) > 1 else {},
        "consensus": rate(domains),
        "baseline": {name: rate(found) for name, found in baselines.items()},
        "timing": {
            "preprocess_s": round(preprocess_s, 3),
            "fit_s": round(fit_s, 3),
            "s_per_epoch": round(fit_s / (len(runs) * config.training.epochs), 4),
        },
        "peak_rss_mb": _peak_rss_mb(),
    }
    return {name: value for name, value in metrics.items() if value is not None}


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


def _label_key(slide: AnnData, config: FitConfig) -> str | None:
    key = config.data.label_key
    if key is not None and key not in slide.obs:
        msg = f"the slide has no obs column {key!r}; found {', '.join(slide.obs.columns) or 'none'}; give --label-key"
        raise ConfigError(msg)
    return key


def _n_domains(n_spots: int, annotation: "pd.Categorical[str] | None", config: FitConfig) -> int:
    known = 0 if annotation is None else len(annotation.remove_unused_categories().categories)
    wanted = config.data.n_domains or known
    if not wanted:
        msg = "the number of domains is not known, as the slide has no labels; give --n-domains K"
        raise ConfigError(msg)
    if n_spots <= wanted:
        msg = f"the slide has {n_spots} spots for {wanted} domains; expected more spots than domains: lower --n-domains"
        raise ConfigError(msg)
    return wanted


def _device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        msg = "--device cuda: torch finds no CUDA device; take --device cpu"
        raise ConfigError(msg)
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def _peak_rss_mb() -> float:
    """Return the most memory that this process held at a time, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1e6 if sys.platform == "darwin" else 1e3), 1)
