"""A fitted model of cells on a cohort that it never saw, on one page: model, sentences, cells, answers, folder.

Every seed and fold of the fit answers, and the answers are averaged. The new cohort's sentences must be worded as those
of the fit and lie in the same space; nothing about its labels is needed, and where there are some, they only score.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from genesem_embed.datasets import labels
from genesem_embed.store import Store
from genesem_train.cells.cohort import UNKNOWN, Cohort
from genesem_train.cells.config import METHOD, CellsConfig, read_settings
from genesem_train.cells.fold_model import FoldModel
from genesem_train.cells.new_sentences import find_sentences
from genesem_train.cells.outputs import plain_config, predicted, status_table
from genesem_train.cells.predictions import Predictions, gather
from genesem_train.cells.reading import read_unknown_cohort
from genesem_train.cells.saved import load_models
from genesem_train.cells.summary import score_predictions
from genesem_train.config import build_settings
from genesem_train.errors import ConfigError
from genesem_train.full_disk import write_h5ad
from genesem_train.outputs import check_out, replaced_folder, write_config, write_metrics
from genesem_train.recorded import load_record

if TYPE_CHECKING:
    from genesem_train.cells.pooling import Level


@dataclass(frozen=True, kw_only=True)
class FittedCells:
    """A finished fit as its folder tells of it."""

    config: CellsConfig
    metrics: Mapping[str, Any]
    models: list[FoldModel]


def load_fitted(folder: Path) -> FittedCells:
    """Return the fit in `folder`.

    Raises
    ------
    ConfigError
        The folder holds no finished fit of cells.
    """
    if not (folder / "metrics.json").exists():
        msg = f"{folder} holds no metrics.json; expected the --out folder of `genesem-train fit --method {METHOD}`"
        raise ConfigError(msg)
    metrics, settings = load_record(folder / "metrics.json"), read_settings(folder / "config.toml")
    if settings.get("method") != METHOD or "wording" not in metrics:
        msg = f"{folder} is a fit by {settings.get('method')}; expected one by {METHOD}: name the folder of such a fit"
        raise ConfigError(msg)
    config: CellsConfig = build_settings(CellsConfig, settings.get("cells", {}), str(folder / "config.toml"))
    path = folder / "model.safetensors"
    models = load_models(path, len(metrics["types"]), len(metrics["status"]), config.heads)
    return FittedCells(config=config, metrics=metrics, models=models)


def predict_slide(
    slide: AnnData, fitted: FittedCells, *, store: Store, out: Path, dataset: str, label_key: str | None = None
) -> dict[str, Any]:
    """Return what is said about the cells of `slide`, having written it to `out`.

    Without `label_key`, types are looked for in the column that they had in the fit, for scores alone. `out` gets
    `metrics.json` (scores only where there are labels), `result.h5ad` with types, status and probabilities,
    and a table of patients and of images.

    Raises
    ------
    GenesemError
        When no sentences of these cells are stored that are worded as those of the fit.
    """
    check_out(out)
    config = replace(fitted.config, label_key=label_key or fitted.config.label_key)
    types, status = fitted.metrics["types"], fitted.metrics["status"]
    sentences = find_sentences(store, slide, fitted.metrics["wording"], fitted.metrics["space"], dataset)
    cohort = read_unknown_cohort(
        slide,
        type_names=types,
        status_names=status,
        label_key=config.label_key,
        status_key=config.status_key,
        group_key=config.group_key,
        image_key=config.image_key,
    )
    vectors = sentences.matrix(store, 0, cohort.ids)
    said = [_ask(model, vectors, cohort) for model in fitted.models]
    mean = average(said)
    metrics: dict[str, Any] = {
        "method": METHOD,
        "dataset": cohort.name,
        "n_spots": len(cohort.ids),
        "n_models": len(said),
        "types": types,
        "status": status,
        "collection": ", ".join(sentences.digests),
        "space": sentences.space,
        "notes": _notes(slide, cohort, config, sentences.markers, fitted.metrics["wording"]["markers"]),
    }
    if scores := _scores(mean, cohort):
        metrics["mean"] = scores
    with replaced_folder(out) as folder:
        write_metrics(folder / "metrics.json", metrics)
        write_config(folder / "config.toml", {"dataset": dataset, "method": METHOD, "cells": plain_config(config)})
        write_h5ad(predicted(slide, cohort, [mean]), folder / "result.h5ad")
        if status:
            (folder / "tables").mkdir()
            status_table(cohort, [mean], "patient").to_csv(folder / "tables" / "patients.csv", index=False)
            status_table(cohort, [mean], "image").to_csv(folder / "tables" / "images.csv", index=False)
    return metrics


def average(said: list[Predictions]) -> Predictions:
    """Return the mean of what several models say."""
    return Predictions(
        types=np.mean([one.types for one in said], axis=0),
        status=np.mean([one.status for one in said], axis=0),
        attention={
            level: np.mean([one.attention[level] for one in said if level in one.attention], axis=0)
            for level in said[0].attention
        },
    )


def _ask(model: FoldModel, vectors: np.ndarray, cohort: Cohort) -> Predictions:
    rows = np.arange(len(cohort.ids))
    n_bags: dict[Level, int] = {"patient": len(cohort.patient_names), "image": len(cohort.image_names)}
    return gather([(rows, model.predict(vectors, cohort, rows, dict.fromkeys(n_bags, rows)))], len(rows), n_bags)


def _scores(mean: Predictions, cohort: Cohort) -> dict[str, float]:
    """Return the scores of the tasks that the new cohort has labels for."""
    known = {"type": (cohort.types != UNKNOWN).any(), "status": (cohort.status != UNKNOWN).any()}
    if not any(known.values()):
        return {}
    scores = score_predictions(mean, cohort)
    return {name: value for name, value in scores.items() if known[name.partition("_")[0]]}


def _notes(
    slide: AnnData, cohort: Cohort, config: CellsConfig, markers: tuple[str, ...], known: list[str]
) -> list[str]:
    said = []
    for key, codes, what in ((config.label_key, cohort.types, "types"), (config.status_key, cohort.status, "statuses")):
        if key and key in slide.obs and (codes == UNKNOWN).any() and not slide.obs[key].isna().all():
            given = labels(slide, key)
            unseen = np.flatnonzero((codes == UNKNOWN) & (given.codes >= 0))
            if len(unseen):
                names = sorted({str(given[row]) for row in unseen})
                said.append(
                    f"{len(unseen)} cells have {what} that the model never saw ({', '.join(names[:5])}): it cannot "
                    "name them, and no score counts them."
                )
    if lost := [name for name in known if name not in markers]:
        said.append(f"{len(lost)} of the model's {len(known)} markers are not in this panel ({', '.join(lost[:5])}).")
    if extra := [name for name in markers if name not in known]:
        said.append(f"The panel names {len(extra)} markers that the model never read ({', '.join(extra[:5])}).")
    return said
