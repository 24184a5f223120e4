"""Predictions to the numbers of `metrics.json`: scores of both tasks, their intervals, and whether context helped."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import roc_auc_score

from genesem_train.cells.calibration import calibration_error
from genesem_train.cells.cohort import UNKNOWN, Cohort
from genesem_train.cells.pooling import Level, bags_of
from genesem_train.cells.predictions import Predictions, mean_pool
from genesem_train.cells.scores import class_scores, differences, intervals, patient_confusions

Pooling = Literal["mean", "attention"]


def type_confusions(predictions: Predictions, cohort: Cohort) -> Float[np.ndarray, "patient class class"]:
    """Return one confusion matrix of cell types a patient."""
    predicted = predictions.types.argmax(axis=1)
    return patient_confusions(cohort.types, predicted, cohort.patients, len(cohort.type_names))


def pooled_status(
    predictions: Predictions, cohort: Cohort, level: Level = "patient", pooling: Pooling = "mean"
) -> Float[np.ndarray, "bag status"]:
    """Return the status probabilities of each patient or image; NaN where attention was asked about none of it."""
    if pooling == "attention":
        return predictions.attention[level]
    return mean_pool(predictions.status, bags_of(cohort, level)[0])


def status_confusions(
    predictions: Predictions, cohort: Cohort, level: Level = "patient", pooling: Pooling = "mean"
) -> Float[np.ndarray, "patient class class"]:
    """Return one confusion matrix of the status a patient, with an entry for the patient or for each of its images."""
    probs = pooled_status(predictions, cohort, level, pooling)
    status = np.where(np.isfinite(probs).all(axis=1), bags_of(cohort, level)[1], UNKNOWN)
    patients = np.arange(len(cohort.patient_names)) if level == "patient" else cohort.image_patients
    return patient_confusions(status, probs.argmax(axis=1), patients, len(cohort.status_names))


def score_predictions(predictions: Predictions, cohort: Cohort) -> dict[str, float]:
    """Return every score x 100.

    `type_...` are of cells; `status_...` of patients by the mean over their cells, `status_attention_...` by attention,
    `status_image_...` and `status_image_attention_...` of images where a patient has several; `status_cell_...` of
    cells.
    """
    scores: dict[str, float] = {}
    for task, confusions in _tasks(predictions, cohort).items():
        scores |= {f"{task}_{name}": float(value) for name, value in class_scores(confusions().sum(axis=0)).items()}
    scores["type_ece"] = calibration_error(predictions.types, cohort.types)
    if not cohort.status_names:
        return scores
    scores["status_cell_ece"] = calibration_error(predictions.status, cohort.status)
    for task, (level, pooling) in _status_tasks(predictions, cohort).items():
        scores |= _auc(f"{task}_auc", pooled_status(predictions, cohort, level, pooling), bags_of(cohort, level)[1])
    return scores


def score_intervals(runs: Sequence[Predictions], cohort: Cohort) -> dict[str, list[float]]:
    """Return `[low, high]` of each score, 95 % over patients drawn with replacement; the seeds' counts are averaged."""
    return {
        f"{task}_{name}": [value.low, value.high]
        for task, confusions in _mean(runs, cohort).items()
        for name, value in intervals(confusions).items()
    }


def score_differences(
    runs: Sequence[Predictions], others: Sequence[Predictions], cohort: Cohort
) -> dict[str, dict[str, float]]:
    """Return the first method's scores minus the second's, with intervals over the same drawn patients."""
    mine, theirs = _mean(runs, cohort), _mean(others, cohort)
    return {
        f"{task}_{name}": asdict(value)
        for task in mine
        if task in theirs
        for name, value in differences(mine[task], theirs[task]).items()
    }


def _status_tasks(predictions: Predictions, cohort: Cohort) -> dict[str, tuple[Level, Pooling]]:
    """Return the ways of telling a status from several cells, by the beginning of their scores' names."""
    found: dict[str, tuple[Level, Pooling]] = {"status": ("patient", "mean")}
    if "patient" in predictions.attention:
        found["status_attention"] = ("patient", "attention")
    if cohort.has_more_images:
        found["status_image"] = ("image", "mean")
        if "image" in predictions.attention:
            found["status_image_attention"] = ("image", "attention")
    return found


def _tasks(
    predictions: Predictions, cohort: Cohort
) -> dict[str, Callable[[], Float[np.ndarray, "patient class class"]]]:
    """Return how to count each task's answers, by the beginning of its scores' names."""
    found: dict[str, Callable[[], Float[np.ndarray, "patient class class"]]] = {
        "type": partial(type_confusions, predictions, cohort)
    }
    if cohort.status_names:
        for task, (level, pooling) in _status_tasks(predictions, cohort).items():
            found[task] = partial(status_confusions, predictions, cohort, level, pooling)
        found["status_cell"] = partial(_cell_status, predictions, cohort)
    return found


def _mean(runs: Sequence[Predictions], cohort: Cohort) -> dict[str, Float[np.ndarray, "patient class class"]]:
    tasks = [_tasks(run, cohort) for run in runs]
    return {name: np.asarray(np.mean([one[name]() for one in tasks], axis=0)) for name in tasks[0]}


def _cell_status(predictions: Predictions, cohort: Cohort) -> Float[np.ndarray, "patient class class"]:
    predicted = predictions.status.argmax(axis=1)
    return patient_confusions(cohort.status, predicted, cohort.patients, len(cohort.status_names))


def _auc(name: str, probs: Float[np.ndarray, "bag status"], status: Int[np.ndarray, " bag"]) -> dict[str, float]:
    """Return the area under the ROC curve x 100 of a status with two classes; nothing for more."""
    known = (status >= 0) & np.isfinite(probs).all(axis=1)
    if probs.shape[1] != 2 or len(np.unique(status[known])) < 2:
        return {}
    return {name: 100 * float(roc_auc_score(status[known], probs[known, 1]))}
