"""The figures and the page of a comparison on cells."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from genesem_train.cells.calibration import reliability
from genesem_train.cells.results import CellsResult
from genesem_train.cells.summary import patient_status, type_confusions
from genesem_train.report.figures.canvas import plain_style, save
from genesem_train.report.figures.classes import (
    MethodScore,
    draw_confusion,
    draw_methods,
    draw_occlusion,
    draw_patients,
    draw_reliability,
)
from genesem_train.report.page import Page, PageFigure, Table, write_page

COLUMNS: dict[str, tuple[str, str]] = {
    "type_accuracy": ("type accuracy", "share of cells whose type is right x 100"),
    "type_balanced_accuracy": ("type balanced", "mean recall over the types x 100; rare types count as much as common"),
    "type_f1_macro": ("type F1 macro", "mean F1 over the types x 100"),
    "type_ece": ("type ECE", "gap between confidence and accuracy x 100, lower is better"),
    "status_accuracy": ("patient status", "patients whose status is right x 100, cells pooled by their mean"),
    "status_balanced_accuracy": ("patient status balanced", "mean recall over the status classes x 100"),
    "status_auc": ("patient AUC", "area under the ROC curve over patients x 100; 50 is chance"),
    "status_attention_accuracy": ("by attention", "patients whose status is right x 100, cells pooled by attention"),
}
OWN = "spatial2sentence"


def write_cell_figures(result: CellsResult, folder: Path) -> list[PageFigure]:
    """Write every figure that the result has the values for, and return them with their words."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = []
    with plain_style():
        for name, (title, caption, draw) in _figures(result).items():
            path = folder / f"{name}.png"
            save(draw(), path)
            figures.append(PageFigure(path=path, title=title, caption=caption))
    return figures


def write_cell_page(result: CellsResult, figures: list[PageFigure], config: Mapping[str, Any], path: Path) -> Path:
    """Write the page to `path` and return it."""
    metrics = result.metrics
    facts = {name: f"{metrics[key]:,}" for name, key in FACTS.items()}
    facts["cell types"] = str(len(metrics["types"]))
    facts["status"] = ", ".join(metrics["status"]) or "none"
    run = {"collection": str(metrics["collection"]), "space": str(metrics["space"])}
    run |= {name.replace("_s", " (s)"): f"{value:.0f}" for name, value in metrics["timing"].items()}
    page = Page(
        title=str(metrics["dataset"]),
        subtitle="Cell types and clinical status by spatial2sentence",
        scores=method_table(metrics),
        notes=page_notes(metrics),
        figures=figures,
        tables={"Each cell type": _class_table(metrics)},
        facts={"Cells": facts, "Vectors and cost": run},
        config=config,
    )
    return write_page(page, path)


FACTS = {"cells": "n_spots", "patients": "n_patients", "images": "n_images", "markers": "n_markers"}


def method_table(metrics: Mapping[str, Any]) -> Table:
    """Return the method beside every baseline, one row each; the method's seeds are a mean and a deviation."""
    rows = {f"{OWN}, mean of {len(metrics['seeds'])} seeds": metrics["mean"], **metrics["baseline"]}
    used = [name for name in COLUMNS if any(name in scores for scores in rows.values())]
    sd = metrics.get("sd", {})
    texts = [
        (
            name if place == 0 else f"baseline: {name}",
            "method" if place == 0 else "baseline",
            [_cell(column, scores, sd if place == 0 else {}) for column in used],
        )
        for place, (name, scores) in enumerate(rows.items())
    ]
    return Table(columns=[COLUMNS[name] for name in used], rows=texts)


def terminal_lines(result: CellsResult) -> list[str]:
    """Return the comparison as lines of text: one method a line, the notes, and where the report is."""
    table = method_table(result.metrics)
    width = max(len(name) for name, _, _ in table.rows) + 2
    columns = [max(len(title), 12) + 2 for title, _ in table.columns]
    lines = [" " * width + "".join(f"{title:>{w}}" for (title, _), w in zip(table.columns, columns, strict=True))]
    for name, _, cells in table.rows:
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, columns, strict=True)))
    return [*lines, "", *result.metrics["notes"], f"report: {result.out / 'report.html'}"]


def ablation_lines(found: Mapping[str, Any]) -> list[str]:
    """Return an ablation as lines of text: change of each score with its interval, then the builds to run."""
    shown = ["type_accuracy", "type_f1_macro", "status_balanced_accuracy"]
    lines = []
    for name, row in found["rows"].items():
        parts = [
            f"{COLUMNS[score][0]} {row['mean'][score]:.1f} "
            f"({gap['value']:+.1f}, {gap['low']:+.1f} to {gap['high']:+.1f})"
            for score in shown
            if score in row["mean"]
            for gap in [row["difference"][score]]
        ]
        lines.append(f"{name:<26}" + "; ".join(parts))
    if found["missing"]:
        lines += ["", "not stored; to add them, run:", *found["missing"].values()]
    return lines


def page_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Return how the numbers were obtained, and where another method is ahead beyond what patients can explain."""
    split = metrics["split"]
    said = [
        f"{split['folds']} folds by {split['by']} (seed {split['seed']}): every cell is predicted by heads that saw no "
        f"cell of its {split['by']}. Epoch and temperature were chosen on a part of the training {split['by']}s.",
        "All baselines ran on the same folds. Intervals: patients drawn 1,000 times with replacement.",
    ]
    for name, difference in metrics["difference"].items():
        gap = difference["type_f1_macro"]
        verb = "ahead of" if gap["low"] > 0 else "behind" if gap["high"] < 0 else "not told apart from"
        said.append(
            f"By macro-F1 of types, {OWN} is {verb} {name}: {gap['value']:+.1f} "
            f"({gap['low']:+.1f} to {gap['high']:+.1f})."
        )
    return said + list(metrics["notes"])


def _figures(result: CellsResult) -> dict[str, tuple[str, str, Callable[[], Figure]]]:
    cohort, metrics, runs = result.cohort, result.metrics, result.runs
    first = runs[0]
    found: dict[str, tuple[str, str, Callable[[], Figure]]] = {
        "methods": (
            "Methods",
            "Each method on the same folds; bars are 95 % intervals over patients drawn with replacement.",
            lambda: draw_methods(_panels(metrics), OWN),
        ),
        "confusion": (
            "Confusion of cell types",
            "Rows are the true type with its number of cells, columns the predicted one; the mean over seeds. The "
            "counts are in tables/confusion.csv.",
            lambda: draw_confusion(mean_confusion(result), cohort.type_names),
        ),
    }
    curves = {"cell type": reliability(first.types, cohort.types)}
    if cohort.status_names:
        curves["status of a cell"] = reliability(first.status, cohort.status)
        found["patients"] = (
            "Status of each patient",
            "Mean of the calibrated probabilities of a patient's cells (first seed), by heads that never saw it.",
            lambda: draw_patients(
                patient_status(first, cohort), cohort.patient_status, cohort.patient_names, cohort.status_names
            ),
        )
    found["reliability"] = (
        "Calibration",
        "On the dashed line a confidence of 0.8 is right 8 times in 10 (first seed).",
        lambda: draw_reliability(curves),
    )
    if result.occlusions:
        found["occlusion"] = (
            "What a left-out word or section changes",
            "Change of the true type's probability when one marker's name, or one section of the context, is left out "
            "of the text (first seed; blue: it spoke for the type). White: no cell of that type, or no change.",
            lambda: draw_occlusion(
                np.array([one.change for one in result.occlusions]),
                [one.left_out for one in result.occlusions],
                cohort.type_names,
            ),
        )
    return found


def mean_confusion(result: CellsResult) -> np.ndarray:
    """Return the confusion of cell types, the mean over seeds."""
    return np.asarray(np.mean([type_confusions(run, result.cohort).sum(axis=0) for run in result.runs], axis=0))


def _panels(metrics: Mapping[str, Any]) -> dict[str, dict[str, MethodScore]]:
    scores = {OWN: metrics["mean"], **metrics["baseline"]}
    ranges = {OWN: metrics["interval"], **metrics["baseline_interval"]}
    shown = ["type_accuracy", "type_f1_macro", "status_balanced_accuracy"]
    return {
        COLUMNS[column][0]: {name: (scores[name][column], *ranges[name][column]) for name in scores}
        for column in shown
        if column in metrics["mean"]
    }


def _class_table(metrics: Mapping[str, Any]) -> Table:
    columns = [("cells", "labelled cells"), ("precision", ""), ("recall", ""), ("F1", "")]
    rows = [
        (row["class"], "baseline", [f"{row['n']:,.0f}", *(f"{row[key]:.1f}" for key in ("precision", "recall", "f1"))])
        for row in metrics["per_class"]
    ]
    return Table(columns=columns, rows=rows)


def _cell(column: str, scores: Mapping[str, float], sd: Mapping[str, float]) -> str:
    if column not in scores:
        return ""
    return f"{scores[column]:.1f} ± {sd[column]:.1f}" if column in sd else f"{scores[column]:.1f}"
