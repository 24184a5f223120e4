"""Runs to ``metrics.json``: scores of seeds, consensus and baselines, time and memory."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from genesem_train.config import FitConfig
from genesem_train.memory import peak_rss_mb
from genesem_train.methods import Baseline, Domains, SeedRun
from genesem_train.scores.intervals import mean_and_sd
from genesem_train.scores.metrics import label_free, score
from genesem_train.scores.separation import ari_difference
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots


def summarise(
    config: FitConfig,
    spots: Spots,
    semantics: Semantics | None,
    runs: dict[int, SeedRun],
    domains: Domains,
    baselines: Mapping[str, Baseline],
    preprocess_s: float,
) -> dict[str, Any]:
    """Return ``metrics.json``: scores 0 to 100, absent where there is no annotation."""
    latent = next(iter(runs.values())).latent
    seeds = [{"seed": seed, **rate(spots, run.domains, run.latent)} for seed, run in runs.items()]
    mean, sd = mean_and_sd(shared_scores([{name: one[name] for name in one if name != "seed"} for one in seeds]))
    labelled = spots.annotation is not None
    fit_s = sum(run.seconds for run in runs.values())
    n_epochs = len(runs) * config.training.networks * config.training.epochs if config.method == "semst" else 0
    metrics = {
        "method": config.method,
        **named_fit(config),
        "dataset": spots.name,
        "n_spots": int(spots.data.n_obs),
        "n_domains": spots.n_domains,
        "n_domains_chosen": asdict(spots.stability) if spots.stability else None,
        "collection": semantics.collection if semantics else None,
        "space": semantics.space if semantics else None,
        "model": semantics.model if semantics else None,
        "seeds": seeds,
        "mean": mean,
        "sd": sd,
        "consensus": rate(spots, domains, latent),
        "slides": slide_scores(spots, runs, domains) or None,
        "baseline": {name: rate_baseline(spots, found) for name, found in baselines.items()},
        "over_baseline": over_baselines(spots, domains, baselines) if labelled else None,
        "timing": {
            "preprocess_s": round(preprocess_s, 3),
            "fit_s": round(fit_s, 3),
            **({"s_per_epoch": round(fit_s / n_epochs, 4)} if n_epochs else {}),
        },
        "graph": next(iter(runs.values())).facts or None,
        "peak_rss_mb": peak_rss_mb(),
    }
    return {name: value for name, value in metrics.items() if value is not None}


def named_fit(config: FitConfig) -> dict[str, str | int]:
    """Return what readers of a fit's scores must know: its networks, mode and clusterer; of a baseline nothing."""
    if config.method != "semst":
        return {}
    model = config.model
    fusion = "none" if config.semantics.kind == "none" else model.fusion
    return {
        "mode": config.mode,
        "backbone": model.backbone,
        "fusion": fusion,
        "networks": config.training.networks,
        "clusterer": config.domains.clusterer,
    }


def slide_scores(spots: Spots, runs: Mapping[int, SeedRun], domains: Domains) -> dict[str, dict[str, Any]]:
    """Return the scores of each slide of several: mean and sd over seeds, and those of the consensus."""
    latent = next(iter(runs.values())).latent
    found = {}
    for name, members in spots.slides.items():
        seeds = [rate(spots, run.domains, run.latent, members) for run in runs.values()]
        mean, sd = mean_and_sd(shared_scores(seeds))
        consensus = rate(spots, domains, latent, members)
        found[name] = {"n_spots": len(members), "mean": mean, "sd": sd, "consensus": consensus}
    return found


def rate_baseline(spots: Spots, found: Baseline) -> dict[str, Any]:
    """Return the scores of the best of 50 starts, and under `mean` and `sd` those of the seeds."""
    mean, sd = mean_and_sd(shared_scores([rate(spots, domains, found.latent) for domains in found.seeds.values()]))
    return {**rate(spots, found.domains, found.latent), "mean": mean, "sd": sd}


def over_baselines(spots: Spots, domains: Domains, baselines: Mapping[str, Baseline]) -> dict[str, dict[str, float]]:
    """Return by how many points of ARI `domains` are ahead of each baseline's best of 50 starts."""
    return {name: over(spots, domains, found.domains) for name, found in baselines.items()}


def over(spots: Spots, domains: Domains, others: Domains) -> dict[str, float]:
    """Return by how many points of ARI `domains` are ahead of `others`, with the interval over blocks of tissue."""
    assert spots.annotation is not None
    codes = np.asarray(spots.annotation.codes)
    return asdict(ari_difference(domains, others, codes, spots.coords, spots.slide_of))


def shared_scores(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return the scores that every row has: a silhouette needs two domains."""
    return [{name: value for name, value in one.items() if all(name in other for other in rows)} for one in rows]


def rate(
    spots: Spots,
    domains: Domains,
    latent: Float[np.ndarray, "spot dim"] | None = None,
    members: Int[np.ndarray, " member"] | None = None,
) -> dict[str, float]:
    """Return the scores of domains (of some spots) against the annotation; without one, those that need none.

    What needs no annotation is a matter of neighbours: over several slides it is their mean, weighted by spots.
    """
    if members is None and spots.annotation is None and spots.slides:
        parts = [(len(rows), rate(spots, domains, latent, rows)) for rows in spots.slides.values()]
        shared = [name for name in parts[0][1] if all(name in scores for _, scores in parts)]
        return {name: sum(n * scores[name] for n, scores in parts) / len(domains) for name in shared}
    rows = np.arange(len(domains)) if members is None else members
    if spots.annotation is not None and (spots.annotation.codes[rows] >= 0).any():
        return score(domains[rows], spots.annotation[rows])
    return label_free(None if latent is None else latent[rows], domains[rows], spots.coords[rows])
