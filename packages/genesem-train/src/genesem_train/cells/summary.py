"""Predictions to the numbers of `metrics.json`: scores of both tasks, their intervals, and whether context helped."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import roc_auc_score

from genesem_train.cells.calibration import calibration_error
from genesem_train.cells.cohort import Cohort
from genesem_train.cells.predictions import Predictions, mean_pool
from genesem_train.cells.scores import class_scores, differences, intervals, patient_confusions

Pooling = str
"""`mean` or `attention`."""


def type_confusions(predictions: Predictions, cohort: Cohort) -> Float[np.ndarray, "patient class class"]:
    """Return one confusion matrix of cell types a patient."""
    predicted = predictions.types.argmax(axis=1)
    return patient_confusions(cohort.types, predicted, cohort.patients, len(cohort.type_names))


def patient_status(
    predictions: Predictions, cohort: Cohort, pooling: Pooling = "mean"
) -> Float[np.ndarray, "patient status"]:
    """Return the status probabilities of each patient."""
    if pooling == "attention" and predictions.attention is not None:
        return predictions.attention
    return mean_pool(predictions.status, cohort.patients)


def status_confusions(
    predictions: Predictions, cohort: Cohort, pooling: Pooling = "mean"
) -> Float[np.ndarray, "patient class class"]:
    """Return one confusion matrix of the status a patient, with one entry each."""
    predicted = patient_status(predictions, cohort, pooling).argmax(axis=1)
    patients = np.arange(len(cohort.patient_names))
    return patient_confusions(cohort.patient_status, predicted, patients, len(cohort.status_names))


def score_predictions(predictions: Predictions, cohort: Cohort) -> dict[str, float]:
    """Return every score x 100: `type_...` of cells, `status_...` of patients, `status_cell_...` of cells."""
    scores = _named("type", type_confusions(predictions, cohort))
    scores["type_ece"] = calibration_error(predictions.types, cohort.types)
    if not cohort.status_names:
        return scores
    scores |= _named("status", status_confusions(predictions, cohort))
    scores |= _auc("status_auc", patient_status(predictions, cohort), cohort.patient_status)
    scores["status_cell_accuracy"] = _named("cell", _cell_status(predictions, cohort))["cell_accuracy"]
    scores["status_image_accuracy"] = _image_accuracy(predictions, cohort)
    scores["status_cell_ece"] = calibration_error(predictions.status, cohort.status)
    if predictions.attention is not None:
        scores |= _named("status_attention", status_confusions(predictions, cohort, "attention"))
        scores |= _auc("status_attention_auc", predictions.attention, cohort.patient_status)
    return scores


def score_intervals(runs: Sequence[Predictions], cohort: Cohort) -> dict[str, list[float]]:
    """Return `[low, high]` of each score, 95 % over patients drawn with replacement; the seeds' counts are averaged."""
    found = {f"type_{name}": value for name, value in intervals(_mean(runs, cohort, "type")).items()}
    if cohort.status_names:
        found |= {f"status_{name}": value for name, value in intervals(_mean(runs, cohort, "status")).items()}
    return {name: [value.low, value.high] for name, value in found.items()}


def score_differences(
    runs: Sequence[Predictions], others: Sequence[Predictions], cohort: Cohort
) -> dict[str, dict[str, float]]:
    """Return the first method's scores minus the second's, with intervals over the same drawn patients."""
    tasks = ["type", "status"] if cohort.status_names else ["type"]
    return {
        f"{task}_{name}": asdict(value)
        for task in tasks
        for name, value in differences(_mean(runs, cohort, task), _mean(others, cohort, task)).items()
    }


def _mean(runs: Sequence[Predictions], cohort: Cohort, task: str) -> Float[np.ndarray, "patient class class"]:
    count = type_confusions if task == "type" else status_confusions
    return np.asarray(np.mean([count(run, cohort) for run in runs], axis=0))


def _named(prefix: str, confusions: Float[np.ndarray, "patient class class"]) -> dict[str, float]:
    return {f"{prefix}_{name}": float(value) for name, value in class_scores(confusions.sum(axis=0)).items()}


def _cell_status(predictions: Predictions, cohort: Cohort) -> Float[np.ndarray, "patient class class"]:
    predicted = predictions.status.argmax(axis=1)
    return patient_confusions(cohort.status, predicted, cohort.patients, len(cohort.status_names))


def _image_accuracy(predictions: Predictions, cohort: Cohort) -> float:
    status = cohort.status[np.unique(cohort.images, return_index=True)[1]]
    predicted = mean_pool(predictions.status, cohort.images).argmax(axis=1)
    return 100 * float(np.mean(predicted[status >= 0] == status[status >= 0]))


def _auc(
    name: str, probs: Float[np.ndarray, "patient status"], status: Int[np.ndarray, " patient"]
) -> dict[str, float]:
    """Return the area under the ROC curve x 100 of a status with two classes; nothing for more."""
    known = status >= 0
    if probs.shape[1] != 2 or len(np.unique(status[known])) < 2:
        return {}
    return {name: 100 * float(roc_auc_score(status[known], probs[known, 1]))}
