"""A finished comparison on cells as a folder, written whole or not at all."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from genesem_train.cells.report import mean_confusion, write_cell_figures, write_cell_page
from genesem_train.cells.results import CellsResult
from genesem_train.cells.summary import patient_status
from genesem_train.outputs import replaced_folder, save_weights, write_config, write_metrics


def write_cells(result: CellsResult, slide: AnnData, config: Mapping[str, Any]) -> Path:
    """Write metrics, config, tables, predictions, weights, figures and report, and return the report's path."""
    with replaced_folder(result.out) as folder:
        write_metrics(folder / "metrics.json", {**result.metrics, "occlusion": _occlusion_rows(result)})
        write_config(folder / "config.toml", config)
        write_tables(result, folder / "tables")
        predicted(slide, result).write_h5ad(folder / "result.h5ad", compression="gzip")
        save_weights(folder / "model.safetensors", weights(result))
        figures = write_cell_figures(result, folder / "figures")
        write_cell_page(result, figures, config, folder / "report.html")
    return result.out / "report.html"


def write_tables(result: CellsResult, folder: Path) -> None:
    """Write the confusion of types, the scores of each type, each patient's status and every occlusion as CSV."""
    folder.mkdir()
    cohort = result.cohort
    names = pd.Index(cohort.type_names, name="true")
    pd.DataFrame(mean_confusion(result), index=names, columns=cohort.type_names).to_csv(folder / "confusion.csv")
    pd.DataFrame(result.metrics["per_class"]).to_csv(folder / "per_class.csv", index=False)
    if cohort.status_names:
        _patient_table(result).to_csv(folder / "patients.csv", index=False)
    if result.occlusions:
        pd.DataFrame(_occlusion_rows(result)).to_csv(folder / "occlusion.csv", index=False)


def predicted(slide: AnnData, result: CellsResult) -> AnnData:
    """Return the cells with the predicted type, its probability and all probabilities, the mean over seeds."""
    names = result.cohort.type_names
    probs = np.mean([run.types for run in result.runs], axis=0)
    cells = ad.AnnData(X=slide.X, obs=slide.obs.copy(), var=slide.var.copy(), obsm=dict(slide.obsm))
    cells.obs["cell_type_predicted"] = pd.Categorical(np.asarray(names)[probs.argmax(axis=1)], categories=names)
    cells.obs["cell_type_probability"] = probs.max(axis=1).astype(np.float32)
    cells.obsm["cell_type_probabilities"] = probs.astype(np.float32)
    cells.uns["cell_types"] = names
    return cells


def weights(result: CellsResult) -> dict[int, dict[str, Tensor]]:
    """Return the heads of every seed and fold with the centre, scale and temperatures that go with them."""
    return {
        int(seed["seed"]): {
            f"fold-{number}/{name}": tensor
            for number, fitted in enumerate(folds)
            for name, tensor in {
                **fitted.heads.state_dict(),
                "centre": torch.from_numpy(fitted.mean),
                "scale": torch.from_numpy(fitted.scale),
                "temperatures": torch.tensor([fitted.type_temperature, fitted.status_temperature]),
            }.items()
        }
        for seed, folds in zip(result.metrics["seeds"], result.heads, strict=True)
    }


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


def _patient_table(result: CellsResult) -> pd.DataFrame:
    cohort = result.cohort
    truth = [cohort.status_names[code] if code >= 0 else "" for code in cohort.patient_status]
    table = pd.DataFrame({"patient": cohort.patient_names, "status": truth})
    for pooling in ("mean", "attention") if result.runs[0].attention is not None else ("mean",):
        probs = np.mean([patient_status(run, cohort, pooling) for run in result.runs], axis=0)
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
