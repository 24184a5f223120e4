"""Cells to report, on one page: cohort, folds, stored sentences, heads, baselines, scores, figures, folder."""

import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from genesem_embed.datasets import assign_folds, fold_rows, labels, split_digest, split_groups
from genesem_embed.store import Store
from genesem_train.cells.cohort import Cohort, read_cohort
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.folds import Fold, carve_validation
from genesem_train.cells.methods import PLAIN, OnStep, predict_baselines, predict_sentences
from genesem_train.cells.occlusion import occlusions
from genesem_train.cells.outputs import plain_config, write_cells
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.results import CellsResult
from genesem_train.cells.scores import per_class
from genesem_train.cells.sentences import (
    SentenceSet,
    build_command,
    choose_sentences,
    plain_sentences,
    stored_sentences,
)
from genesem_train.cells.summary import (
    score_differences,
    score_intervals,
    score_predictions,
    type_confusions,
)
from genesem_train.errors import ConfigError
from genesem_train.intervals import mean_and_sd
from genesem_train.outputs import check_out


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Folds of the cells and the stored sentences that fit them."""

    folds: list[Fold]
    sets: list[SentenceSet]
    chosen: SentenceSet
    plain: SentenceSet | None


def run_cells(
    slide: AnnData,
    config: CellsConfig,
    *,
    store: Store,
    out: Path,
    dataset: str,
    on_step: OnStep = lambda words: None,
) -> CellsResult:
    """Return the comparison of methods on the cells of `slide`, having written the whole result to `out`.

    No label of a test patient touches training, stopping or calibration. The baselines see the same folds.

    Parameters
    ----------
    dataset
        How the user named the slide, for the commands that errors and notes print.

    Raises
    ------
    GenesemError
        On any column, split or store that cannot be used; nothing is written then.
    """
    begun = time.perf_counter()
    check_out(out)
    cohort = read_cohort(
        slide,
        label_key=config.label_key,
        status_key=config.status_key,
        group_key=config.group_key,
        image_key=config.image_key,
    )
    plan = plan_folds(slide, cohort, config, store, dataset)
    begun_fit = time.perf_counter()
    runs, fitted = predict_sentences(store, plan.chosen, cohort, plan.folds, config.heads, config.seeds, on_step)
    fit_s = time.perf_counter() - begun_fit
    others = {name: [run] for name, run in predict_baselines(cohort, plan.folds, config.neighbours, on_step).items()}
    if plan.plain:
        on_step(PLAIN)
        others[PLAIN] = predict_sentences(
            store, plan.plain, cohort, plan.folds, config.heads, config.seeds, lambda words: None
        )[0]
    left_out = occlusions(store, plan.sets, plan.chosen, cohort, plan.folds, fitted[0])
    metrics = summarise(cohort, config, plan, runs, others)
    metrics["notes"] = describe_run(cohort, config, plan, build_command(store, dataset, " --cells k=0"))
    metrics["timing"] = {"fit_s": fit_s, "total_s": time.perf_counter() - begun}
    metrics["peak_rss_mb"] = _peak_rss_mb()
    result = CellsResult(
        cohort=cohort, metrics=metrics, runs=runs, others=others, heads=fitted, occlusions=left_out, out=out
    )
    settings = {"dataset": dataset, "method": "spatial2sentence", "cells": plain_config(config)}
    write_cells(result, slide, settings)
    return result


def plan_folds(slide: AnnData, cohort: Cohort, config: CellsConfig, store: Store, dataset: str) -> Plan:
    """Return the folds that the config asks for, and which stored sentences may be used with them.

    Raises
    ------
    GenesemError
        When the cells cannot be split so, or no sentences are stored that a fit with this split may use.
    """
    key = {"patient": config.group_key, "image": config.image_key or "image", "cell": None}[config.split]
    groups = split_groups(slide, config.split, key)
    strata = labels(slide, config.status_key) if config.status_key and config.split != "cell" else None
    fold_of_cell = assign_folds(groups, n_folds=config.folds, seed=config.split_seed, strata=strata)
    codes = np.unique(groups.astype(str), return_inverse=True)[1]
    folds = [
        carve_validation(train, test, codes, cohort.status, share=config.validation_share, seed=config.split_seed)
        for train, test in fold_rows(fold_of_cell)
    ]
    sets = stored_sentences(
        store, slide, dataset=dataset, space=config.space, split_digest=split_digest(fold_of_cell), n_folds=config.folds
    )
    chosen = choose_sentences(sets, config.collection, dataset, store)
    if config.split == "cell" and not chosen.is_plain:
        msg = (
            "a split by cell puts the sentences of test cells into the texts of training cells, as their neighbours; "
            "use --split patient or image, or a collection without context (--collection)"
        )
        raise ConfigError(msg)
    return Plan(folds=folds, sets=sets, chosen=chosen, plain=plain_sentences(sets, chosen))


def summarise(
    cohort: Cohort,
    config: CellsConfig,
    plan: Plan,
    runs: Sequence[Predictions],
    others: dict[str, list[Predictions]],
) -> dict[str, Any]:
    """Return what `metrics.json` holds, but for notes, time and memory."""
    scores = [score_predictions(run, cohort) for run in runs]
    mean, sd = mean_and_sd(scores)
    confusion = np.mean([type_confusions(run, cohort).sum(axis=0) for run in runs], axis=0)
    metrics: dict[str, Any] = {
        "method": "spatial2sentence",
        "dataset": cohort.name,
        "n_spots": len(cohort.ids),
        "n_patients": len(cohort.patient_names),
        "n_images": int(cohort.images.max()) + 1,
        "n_markers": len(cohort.markers),
        "types": cohort.type_names,
        "status": cohort.status_names,
        "split": {"by": config.split, "folds": config.folds, "seed": config.split_seed},
        "collection": ", ".join(plan.chosen.digests),
        "space": plan.chosen.space,
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


def describe_run(cohort: Cohort, config: CellsConfig, plan: Plan, plain_command: str) -> list[str]:
    """Return what a reader must know to read the scores rightly."""
    said = []
    if plan.plain is None:
        said.append(f"Whether context helps is not known: no plain sentences are stored. To know, run: {plain_command}")
    if not config.status_key:
        said.append("No clinical status was named, so only cell types were learnt.")
    elif unknown := int((cohort.patient_status < 0).sum()):
        said.append(f"{unknown} patients have no status: their cells teach and test cell types only.")
    if config.split != "patient":
        said.append(
            f"The split is by {config.split}: a patient may stand on both sides, and status scores mean little."
        )
    lone = np.bincount(cohort.images)
    if small := int((lone <= config.neighbours).sum()):
        said.append(
            f"{small} images have no more than {config.neighbours} cells; their neighbour means use what is there."
        )
    absent = [
        unseen for fold in plan.folds if (unseen := set(cohort.types[fold.test]) - set(cohort.types[fold.train]) - {-1})
    ]
    if absent:
        names = sorted({cohort.type_names[code] for codes in absent for code in codes})
        said.append(
            f"{len(absent)} folds test types that their training part lacks ({', '.join(names[:5])}): always wrong."
        )
    warned = plan.chosen.info(0).notes.get("warnings") or []
    return said + [str(words) for words in warned]


def _peak_rss_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
