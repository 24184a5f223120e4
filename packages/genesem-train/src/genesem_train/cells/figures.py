"""The figures of a comparison on cells."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from genesem_train.cells.calibration import reliability
from genesem_train.cells.columns import COLUMNS, OWN
from genesem_train.cells.results import CellsResult
from genesem_train.cells.summary import pooled_status, type_confusions
from genesem_train.report.figures.canvas import plain_style, save
from genesem_train.report.figures.classes import (
    MethodScore,
    draw_confusion,
    draw_methods,
    draw_occlusion,
    draw_patients,
    draw_reliability,
)
from genesem_train.report.page import PageFigure

WORDS = {
    "methods": (
        "Methods",
        "Each method on the same folds; bars are 95 % intervals over patients drawn with replacement.",
    ),
    "confusion": (
        "Confusion of cell types",
        "Rows are the true type with its number of cells, columns the predicted one; the mean over seeds. The counts "
        "are in tables/confusion.csv.",
    ),
    "patients": (
        "Status of each patient",
        "Mean of the calibrated probabilities of a patient's cells (first seed), by heads that never saw it.",
    ),
    "reliability": ("Calibration", "On the dashed line a confidence of 0.8 is right 8 times in 10 (first seed)."),
    "occlusion": (
        "What a left-out word or section changes",
        "Change of the true type's probability when one marker's name, or one section of the context, is left out of "
        "the text (first seed; blue: it spoke for the type). White: no cell of that type, or no change.",
    ),
}
"""Title and caption of each figure, in the order of the page."""


def write_cell_figures(result: CellsResult, folder: Path) -> list[PageFigure]:
    """Write every figure that the result has the values for, and return them with their words."""
    folder.mkdir(parents=True, exist_ok=True)
    with plain_style():
        for name, draw in _figures(result).items():
            save(draw(), folder / f"{name}.png")
    return stored_figures(folder)


def stored_figures(folder: Path) -> list[PageFigure]:
    """Return the figures that are in `folder`, with their words."""
    paths = {name: folder / f"{name}.png" for name in WORDS}
    return [
        PageFigure(path=path, title=WORDS[name][0], caption=WORDS[name][1])
        for name, path in paths.items()
        if path.exists()
    ]


def _figures(result: CellsResult) -> dict[str, Callable[[], Figure]]:
    cohort, metrics, first = result.cohort, result.metrics, result.runs[0]
    found: dict[str, Callable[[], Figure]] = {
        "methods": lambda: draw_methods(_panels(metrics), OWN),
        "confusion": lambda: draw_confusion(mean_confusion(result), cohort.type_names),
    }
    curves = {"cell type": reliability(first.types, cohort.types)}
    if cohort.status_names:
        curves["status of a cell"] = reliability(first.status, cohort.status)
        patients = pooled_status(first, cohort), cohort.patient_status, cohort.patient_names, cohort.status_names
        found["patients"] = lambda: draw_patients(*patients)
    found["reliability"] = lambda: draw_reliability(curves)
    if result.occlusions:
        changes = np.array([one.change for one in result.occlusions])
        names = [one.left_out for one in result.occlusions]
        found["occlusion"] = lambda: draw_occlusion(changes, names, cohort.type_names)
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
