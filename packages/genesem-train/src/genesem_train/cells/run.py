"""Cells to report, on one page: plan, heads on stored sentences, baselines, scores, notes, figures, folder."""

import time
from pathlib import Path

from anndata import AnnData

from genesem_embed.store import Store
from genesem_train.cells.caveats import describe_run
from genesem_train.cells.config import METHOD, CellsConfig
from genesem_train.cells.methods import PLAIN, OnStep, predict_baselines, predict_sentences
from genesem_train.cells.metrics import summarise
from genesem_train.cells.occlusion import occlusions
from genesem_train.cells.outputs import plain_config, write_cells
from genesem_train.cells.plan import make_plan
from genesem_train.cells.results import CellsResult
from genesem_train.cells.wording import build_command, flags, split_choices
from genesem_train.memory import peak_rss_mb
from genesem_train.outputs import check_out


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
    plan = make_plan(slide, config, store, dataset)
    cohort = plan.cohort
    begun_fit = time.perf_counter()
    runs, fitted = predict_sentences(store, plan.chosen, cohort, plan.folds, config.heads, config.seeds, on_step)
    fit_s = time.perf_counter() - begun_fit
    others = {name: [run] for name, run in predict_baselines(cohort, plan.folds, config.neighbours, on_step).items()}
    if plan.plain:
        on_step(PLAIN)
        others[PLAIN] = predict_sentences(
            store, plan.plain, cohort, plan.folds, config.heads, config.seeds, lambda words: None
        )[0]
    left_out = occlusions(store, plan.sets, plan.chosen, cohort, plan.folds, [one.heads for one in fitted[0]])
    metrics = summarise(config, plan, runs, others)
    extra = flags(split_choices(config) | {"k": 0} | ({"sample": config.sample} if config.sample else {}))
    plain_build = build_command(store, dataset, extra, plan.chosen.info(0).space)
    metrics["notes"] = describe_run(config, plan, plain_build)
    metrics["timing"] = {"fit_s": fit_s, "total_s": time.perf_counter() - begun}
    metrics["peak_rss_mb"] = peak_rss_mb()
    result = CellsResult(
        cohort=cohort, metrics=metrics, runs=runs, others=others, models=fitted, occlusions=left_out, out=out
    )
    write_cells(result, slide[cohort.ids], {"dataset": dataset, "method": METHOD, "cells": plain_config(config)})
    return result
