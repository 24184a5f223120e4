"""Runs to ``metrics.json``: scores of seeds, consensus and baselines, time and memory."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from genesem_train.config import FitConfig
from genesem_train.memory import peak_rss_mb
from genesem_train.methods import Domains, SeedRun
from genesem_train.metrics import label_free, score
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots


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
    seeds = [{"seed": seed, **rate(spots, run.domains, run.latent)} for seed, run in runs.items()]
    table = pd.DataFrame(seeds).drop(columns="seed")
    fit_s = sum(run.seconds for run in runs.values())
    metrics = {
        "method": config.method,
        "mode": config.mode if config.method == "semst" else None,
        "dataset": spots.name,
        "n_spots": int(spots.data.n_obs),
        "n_domains": spots.n_domains,
        "collection": semantics.collection if semantics else None,
        "space": semantics.space if semantics else None,
        "model": semantics.model if semantics else None,
        "seeds": seeds,
        "mean": table.mean().to_dict(),
        "sd": table.std(ddof=1).to_dict() if len(seeds) > 1 else {},
        "consensus": rate(spots, domains, latent),
        "baseline": {name: rate(spots, found, latent) for name, found in baselines.items()},
        "timing": {
            "preprocess_s": round(preprocess_s, 3),
            "fit_s": round(fit_s, 3),
            "s_per_epoch": round(fit_s / (len(runs) * config.training.epochs), 4),
        },
        "peak_rss_mb": peak_rss_mb(),
    }
    return {name: value for name, value in metrics.items() if value is not None}


def rate(spots: Spots, domains: Domains, latent: Float[np.ndarray, "spot dim"] | None = None) -> dict[str, float]:
    """Return the scores of domains against the annotation; without one, those that need none (and maybe a latent)."""
    if spots.annotation is None:
        return label_free(latent, domains, spots.coords)
    return score(domains, spots.annotation)
