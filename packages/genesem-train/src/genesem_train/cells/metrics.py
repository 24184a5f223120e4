"""Predictions of all methods to `metrics.json`, but for notes, time and memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genesem_train.cells.config import CellsConfig
from genesem_train.cells.plan import Plan
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.scores import per_class
from genesem_train.cells.summary import score_differences, score_intervals, score_predictions, type_confusions
from genesem_train.scores.intervals import mean_and_sd


def summarise(
    config: CellsConfig, plan: Plan, runs: Sequence[Predictions], others: Mapping[str, Sequence[Predictions]]
) -> dict[str, Any]:
    """Return what `metrics.json` holds, but for notes, time and memory."""
    cohort = plan.cohort
    scores = [score_predictions(run, cohort) for run in runs]
    mean, sd = mean_and_sd(scores)
    confusion = np.mean([type_confusions(run, cohort).sum(axis=0) for run in runs], axis=0)
    metrics: dict[str, Any] = {
        "method": "spatial2sentence",
        "dataset": cohort.name,
        "n_spots": len(cohort.ids),
        "n_patients": len(cohort.patient_names),
        "n_images": len(cohort.image_names),
        "n_markers": len(cohort.markers),
        "types": cohort.type_names,
        "status": cohort.status_names,
        "split": {"by": config.split, "folds": config.folds, "seed": config.split_seed},
        "sample": config.sample,
        "collection": ", ".join(plan.chosen.digests),
        "space": plan.chosen.space,
        "wording": {key: value for key, value in plan.chosen.info(0).recipe.items() if key != "split"},
        "seeds": [{"seed": seed, **row} for seed, row in zip(config.seeds, scores, strict=True)],
        "mean": mean,
        "interval": score_intervals(runs, cohort),
        "baseline": {
            name: mean_and_sd([score_predictions(run, cohort) for run in other])[0] for name, other in others.items()
        },
        "baseline_interval": {name: score_intervals(other, cohort) for name, other in others.items()},
        "difference": {name: score_differences(runs, other, cohort) for name, other in others.items()},
        "per_class": per_class(confusion, cohort.type_names),
    }
    return metrics | ({"sd": sd} if sd else {})
