"""What each part of the text is worth: the same heads and folds on every stored wording, beside the whole one.

Wordings are other builds of the same cells. Those that are stored are fitted; one command is named that stores the
others. A wording that was fitted before is read back, so a stopped ablation goes on where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from genesem_embed.store import Store
from genesem_train import __version__
from genesem_train.cells.builds import find_wording, one_build
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.methods import OnStep, predict_sentences
from genesem_train.cells.outputs import plain_config
from genesem_train.cells.plan import Plan, make_plan
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.sentences import SentenceSet
from genesem_train.cells.summary import score_differences, score_intervals, score_predictions
from genesem_train.outputs import write_metrics
from genesem_train.recorded import recorded
from genesem_train.scores.intervals import mean_and_sd

WHOLE = "whole"
ABLATIONS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "no spatial": {"sections": ["similar", "dissimilar"]},
    "no expression": {"sections": ["near", "distant"]},
    "no negatives": {"negatives": "none"},
    **{f"k = {k}": {"k": k} for k in (0, 1, 3, 5, 10)},
    "distance l1": {"distance": "l1"},
    "distance cosine": {"distance": "cosine"},
    "negative ranks 1-3": {"negatives": "paper-like", "k": 3, "negative_window": [1, 3]},
    "negative ranks 4-6": {"negatives": "paper-like", "k": 3, "negative_window": [4, 6]},
    "negative ranks 7-9": {"negatives": "paper-like", "k": 3, "negative_window": [7, 9]},
    "random negatives": {"negatives": "random"},
    "shuffled coordinates": {"shuffle_coordinates": True},
    "values in place of ranks": {"content": "values"},
    "filler of equal length": {"filler": True},
}
"""Name of each ablation, and what it changes in the recipe of the whole text."""


def run_ablations(
    slide: AnnData,
    config: CellsConfig,
    *,
    store: Store,
    out: Path,
    dataset: str,
    on_step: OnStep = lambda words: None,
) -> dict[str, Any]:
    """Return scores, intervals and the difference from the whole text of every stored ablation, and what is missing.

    `out` gets `ablations.json`, `ablations.csv` and one file for each fitted wording under `ablations/`.

    Raises
    ------
    GenesemError
        On any column, split or store that cannot be used.
    """
    plan = make_plan(slide, config, store, dataset)
    (out / "ablations").mkdir(parents=True, exist_ok=True)

    @cache
    def whole() -> Sequence[Predictions]:
        return _predict(store, plan.chosen, plan, config)

    rows, missing = {}, {}
    for name, change in ABLATIONS.items():
        wording = find_wording(plan.whole, plan.chosen, change)
        if wording is None:
            missing[name] = change
            continue
        on_step(name)
        rows[name] = _fit(wording, plan, config, store, out / "ablations", whole)
    result: dict[str, Any] = {
        "dataset": plan.cohort.name,
        "n_spots": len(plan.cohort.ids),
        "collection": ", ".join(plan.chosen.digests),
        "rows": rows,
        "missing": missing,
    }
    if missing:
        result["build"] = one_build(store, dataset, plan, config, missing.values())
    write_metrics(out / "ablations.json", result)
    _table(rows).to_csv(out / "ablations.csv", index=False)
    return result


def _predict(store: Store, wording: SentenceSet, plan: Plan, config: CellsConfig) -> list[Predictions]:
    return predict_sentences(store, wording, plan.cohort, plan.folds, config.heads, config.seeds, lambda words: None)[0]


def _fit(
    wording: SentenceSet,
    plan: Plan,
    config: CellsConfig,
    store: Store,
    folder: Path,
    whole: Callable[[], Sequence[Predictions]],
) -> dict[str, Any]:
    """Return the scores of one wording and its difference from the whole text, read back if they are there."""
    cohort = plan.cohort

    def make() -> dict[str, Any]:
        runs = whole() if wording is plan.chosen else _predict(store, wording, plan, config)
        mean, sd = mean_and_sd([score_predictions(run, cohort) for run in runs])
        return {
            "mean": mean,
            "sd": sd,
            "interval": score_intervals(runs, cohort),
            "difference": score_differences(runs, whole(), cohort),
            "n_dropped": sum((wording.info(0).notes.get("dropped_sentences") or {}).values()),
        }

    return recorded(
        folder, [__version__, cohort.digest, wording.digests, plan.chosen.digests, plain_config(config)], make
    )


def _table(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one line a wording: accuracy and macro-F1 of types with interval and difference, status of patients."""
    lines = []
    for name, row in rows.items():
        line: dict[str, Any] = {"ablation": name, "dropped_sentences": row["n_dropped"]}
        for score in ("type_accuracy", "type_f1_macro", "status_balanced_accuracy"):
            if score in row["mean"]:
                low, high = row["interval"][score]
                gap = row["difference"][score]
                line |= {score: row["mean"][score], f"{score}_low": low, f"{score}_high": high}
                line |= {f"{score}_change": gap["value"], f"{score}_change_low": gap["low"]}
                line |= {f"{score}_change_high": gap["high"]}
        lines.append(line)
    return pd.DataFrame(lines)
