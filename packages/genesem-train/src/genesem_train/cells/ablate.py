"""What each part of the text is worth: the same heads and folds on every stored wording, beside the whole one.

Wordings are other builds of the same cells. Those that are stored are fitted, those that are not are named with the
command that stores them. A wording that was fitted before is read back, so a stopped ablation goes on where it was.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from genesem_embed.store import Store
from genesem_train.cells.cohort import Cohort, read_cohort
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.methods import OnStep, predict_sentences
from genesem_train.cells.outputs import plain_config
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.run import Plan, plan_folds
from genesem_train.cells.sentences import OWN_CHOICES, SentenceSet, build_command
from genesem_train.cells.summary import score_differences, score_intervals, score_predictions
from genesem_train.intervals import mean_and_sd
from genesem_train.outputs import write_metrics
from genesem_train.recorded import recorded

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
    cohort = read_cohort(
        slide,
        label_key=config.label_key,
        status_key=config.status_key,
        group_key=config.group_key,
        image_key=config.image_key,
    )
    plan = plan_folds(slide, cohort, config, store, dataset)
    (out / "ablations").mkdir(parents=True, exist_ok=True)

    @cache
    def whole() -> Sequence[Predictions]:
        return predict_sentences(
            store, plan.chosen, cohort, plan.folds, config.heads, config.seeds, lambda words: None
        )[0]

    rows, missing = {}, {}
    for name, change in ABLATIONS.items():
        wording = find_wording(plan.sets, plan.chosen, change)
        if wording is None:
            missing[name] = build_command(store, dataset, flags(change))
            continue
        on_step(name)
        rows[name] = _fit(wording, plan, cohort, config, store, out / "ablations", whole)
    result = {"dataset": cohort.name, "collection": ", ".join(plan.chosen.digests), "rows": rows, "missing": missing}
    write_metrics(out / "ablations.json", result)
    _table(rows).to_csv(out / "ablations.csv", index=False)
    return result


def find_wording(sets: list[SentenceSet], whole: SentenceSet, change: Mapping[str, Any]) -> SentenceSet | None:
    """Return the stored set that differs from `whole` by `change` alone, as JSON has both."""
    wanted = json.loads(json.dumps({**whole.choices, **change}))
    for one in sets:
        if one.space == whole.space and _comparable(one.choices, wanted) == _comparable(wanted, wanted):
            return one
    return None


def flags(change: Mapping[str, Any]) -> str:
    """Return a change as options of `genesem-embed build`: lists with commas, rank windows as `1-3`."""
    return "".join(f" --cells {name}={_word(name, value)}" for name, value in change.items())


def _word(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ("-" if name.endswith("window") else ",").join(map(str, value))
    return str(value)


def _comparable(choices: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices that matter: with k = 0 there is no context, whatever else was chosen about it."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(choices)))
    if wanted["k"] == 0:
        return {key: plain.get(key) for key in ("k", "occlude", "sample", *OWN_CHOICES)}
    return plain


def _fit(
    wording: SentenceSet,
    plan: Plan,
    cohort: Cohort,
    config: CellsConfig,
    store: Store,
    folder: Path,
    whole: Callable[[], Sequence[Predictions]],
) -> dict[str, Any]:
    """Return the scores of one wording and its difference from the whole text, read back if they are there."""

    def make() -> dict[str, Any]:
        runs, _ = predict_sentences(store, wording, cohort, plan.folds, config.heads, config.seeds, lambda words: None)
        mean, sd = mean_and_sd([score_predictions(run, cohort) for run in runs])
        return {
            "mean": mean,
            "sd": sd,
            "interval": score_intervals(runs, cohort),
            "difference": score_differences(runs, whole(), cohort),
        }

    return recorded(folder, [wording.digests, plan.chosen.digests, plain_config(config)], make)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return one line a wording: accuracy and macro-F1 of types with interval and difference, status of patients."""
    lines = []
    for name, row in rows.items():
        line: dict[str, Any] = {"ablation": name}
        for score in ("type_accuracy", "type_f1_macro", "status_balanced_accuracy"):
            if score in row["mean"]:
                low, high = row["interval"][score]
                gap = row["difference"][score]
                line |= {score: row["mean"][score], f"{score}_low": low, f"{score}_high": high}
                line |= {f"{score}_change": gap["value"], f"{score}_change_low": gap["low"]}
                line |= {f"{score}_change_high": gap["high"]}
        lines.append(line)
    return pd.DataFrame(lines)
