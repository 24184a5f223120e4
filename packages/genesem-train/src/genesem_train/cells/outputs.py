"""A finished comparison on cells as a folder, written whole or not at all."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from anndata import AnnData

from genesem_train.cells.cohort import Cohort
from genesem_train.cells.figures import mean_confusion, write_cell_figures
from genesem_train.cells.page import write_cell_page
from genesem_train.cells.pooling import Level, bags_of
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.results import CellsResult
from genesem_train.cells.saved import weights_of
from genesem_train.cells.summary import Pooling, pooled_status
from genesem_train.full_disk import write_h5ad
from genesem_train.outputs import replaced_folder, save_weights, write_config, write_metrics


def write_cells(result: CellsResult, slide: AnnData, config: Mapping[str, Any]) -> Path:
    """Write metrics, config, tables, predictions, weights, figures and report, and return the report's path."""
    with replaced_folder(result.out) as folder:
        write_metrics(folder / "metrics.json", {**result.metrics, "occlusion": _occlusion_rows(result)})
        write_config(folder / "config.toml", config)
        write_tables(result, folder / "tables")
        write_h5ad(predicted(slide, result.cohort, result.runs), folder / "result.h5ad")
        seeds = [int(row["seed"]) for row in result.metrics["seeds"]]
        weights = {seed: weights_of(models) for seed, models in zip(seeds, result.models, strict=True)}
        save_weights(folder / "model.safetensors", weights)
        figures = write_cell_figures(result, folder / "figures")
        write_cell_page(result.metrics, figures, config, folder / "report.html")
    return result.out / "report.html"


def write_tables(result: CellsResult, folder: Path) -> None:
    """Write the confusion of types, each type's scores, the status of patients and images, and occlusions as CSV."""
    folder.mkdir()
    cohort = result.cohort
    names = pd.Index(cohort.type_names, name="true")
    pd.DataFrame(mean_confusion(result), index=names, columns=cohort.type_names).to_csv(folder / "confusion.csv")
    pd.DataFrame(result.metrics["per_class"]).to_csv(folder / "per_class.csv", index=False)
    if cohort.status_names:
        status_table(cohort, result.runs, "patient").to_csv(folder / "patients.csv", index=False)
        if cohort.has_more_images:
            status_table(cohort, result.runs, "image").to_csv(folder / "images.csv", index=False)
    if result.occlusions:
        pd.DataFrame(_occlusion_rows(result)).to_csv(folder / "occlusion.csv", index=False)


def predicted(slide: AnnData, cohort: Cohort, runs: Sequence[Predictions]) -> AnnData:
    """Return the cells with the predicted type and status, their probability and all probabilities, mean over runs."""
    cells = ad.AnnData(X=slide.X, obs=slide.obs.copy(), var=slide.var.copy(), obsm=dict(slide.obsm))
    tasks = {"cell_type": (cohort.type_names, [run.types for run in runs])}
    if cohort.status_names:
        tasks["status"] = (cohort.status_names, [run.status for run in runs])
    for task, (names, told) in tasks.items():
        probs = np.mean(told, axis=0)
        cells.obs[f"{task}_predicted"] = pd.Categorical(np.asarray(names)[probs.argmax(axis=1)], categories=names)
        cells.obs[f"{task}_probability"] = probs.max(axis=1).astype(np.float32)
        cells.obsm[f"{task}_probabilities"] = probs  # in full: two folds that disagree tie but for the last digits
        cells.uns[f"{task}_classes"] = names
    return cells


def plain_config(config: Any) -> dict[str, Any]:  # noqa: ANN401 (any dataclass of settings)
    """Return a config as values that TOML can hold; what is None is left out."""
    return {
        key: plain_config(value)
        if dataclasses.is_dataclass(value)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))
        if value is not None
    }


def status_table(cohort: Cohort, runs: Sequence[Predictions], level: Level) -> pd.DataFrame:
    """Return one row a patient or image: its status, and the probabilities by the mean and by attention."""
    names = cohort.patient_names if level == "patient" else cohort.image_names
    codes = bags_of(cohort, level)[1]
    truth = [cohort.status_names[code] if code >= 0 else "" for code in codes]
    table = pd.DataFrame({level: names, "status": truth})
    if level == "image":
        table.insert(0, "patient", [cohort.patient_names[code] for code in cohort.image_patients])
    poolings: tuple[Pooling, ...] = ("mean", "attention") if level in runs[0].attention else ("mean",)
    for pooling in poolings:
        probs = np.mean([pooled_status(run, cohort, level, pooling) for run in runs], axis=0)
        for code, name in enumerate(cohort.status_names):
            table[f"{pooling}: {name}"] = probs[:, code]
    return table


def _occlusion_rows(result: CellsResult) -> list[dict[str, Any]]:
    return [
        {"left_out": one.left_out, "kind": one.kind, "type": name, "n": int(count), "change": float(change)}
        for one in result.occlusions
        for name, count, change in zip(result.cohort.type_names, one.n_cells, one.change, strict=True)
        if count
    ]
