"""Scores of predicted classes, and how far they could move with other patients.

Everything is computed from one confusion matrix a patient, so a bootstrap over patients is one product of matrices.
"""

import numpy as np
from jaxtyping import Float, Int

from genesem_train.scores.intervals import Interval, draw_units, interval

SCORES = ("accuracy", "balanced_accuracy", "f1_macro")


def patient_confusions(
    targets: Int[np.ndarray, " cell"],
    predicted: Int[np.ndarray, " cell"],
    patients: Int[np.ndarray, " cell"],
    n_classes: int,
) -> Float[np.ndarray, "patient class class"]:
    """Return one confusion matrix a patient: rows are true, columns predicted; unlabelled cells are left out."""
    known = targets >= 0
    counts = np.zeros((int(patients.max()) + 1, n_classes, n_classes))
    np.add.at(counts, (patients[known], targets[known], predicted[known]), 1.0)
    return counts


def class_scores(confusion: Float[np.ndarray, "*draw class class"]) -> dict[str, Float[np.ndarray, "*draw"]]:
    """Return accuracy, balanced accuracy and macro-F1, x 100.

    Balanced accuracy is the mean recall over the classes that occur; macro-F1 is the mean over the classes that occur
    or are predicted (both as scikit-learn has them).
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    occurs, used = true > 0, true + predicted > 0
    recall = np.divide(right, true, out=np.zeros_like(right), where=occurs)
    f1 = np.divide(2 * right, true + predicted, out=np.zeros_like(right), where=used)
    return {
        "accuracy": 100 * right.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1e-12),
        "balanced_accuracy": 100 * recall.sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1),
        "f1_macro": 100 * f1.sum(axis=-1) / np.maximum(used.sum(axis=-1), 1),
    }


def per_class(confusion: Float[np.ndarray, "class class"], names: list[str]) -> list[dict[str, float | str]]:
    """Return precision, recall, F1 (x 100) and number of cells of each class."""
    right, true, predicted = np.diagonal(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        {
            "class": name,
            "n": float(true[row]),
            "precision": 100 * float(right[row] / max(predicted[row], 1e-12)),
            "recall": 100 * float(right[row] / max(true[row], 1e-12)),
            "f1": 200 * float(right[row] / max(true[row] + predicted[row], 1e-12)),
        }
        for row, name in enumerate(names)
    ]


def score_draws(confusions: Float[np.ndarray, "patient class class"]) -> dict[str, Float[np.ndarray, " draw"]]:
    """Return the scores of every draw; the draws are the same for every method, so that differences pair up."""
    occupied = confusions[confusions.sum(axis=(1, 2)) > 0]
    return class_scores(np.tensordot(draw_units(len(occupied)).astype(np.float64), occupied, axes=1))


def intervals(confusions: Float[np.ndarray, "patient class class"]) -> dict[str, Interval]:
    """Return every score with its interval."""
    whole, draws = class_scores(confusions.sum(axis=0)), score_draws(confusions)
    return {name: interval(float(whole[name]), draws[name]) for name in SCORES}


def differences(
    confusions: Float[np.ndarray, "patient class class"], others: Float[np.ndarray, "patient class class"]
) -> dict[str, Interval]:
    """Return the first method's scores minus the second's, patient by patient the same draws."""
    mine, theirs = class_scores(confusions.sum(axis=0)), class_scores(others.sum(axis=0))
    my_draws, their_draws = score_draws(confusions), score_draws(others)
    return {name: interval(float(mine[name] - theirs[name]), my_draws[name] - their_draws[name]) for name in SCORES}
