"""What needs no language model, on the same folds: the majority, and two learners on markers and neighbour means."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from genesem_train.cells.cohort import Cohort
from genesem_train.cells.folds import Fold
from genesem_train.cells.predictions import FoldPredictions, Predictions, gather

MAKERS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "boosting": lambda: HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=15, l2_regularization=1.0, early_stopping=False, random_state=0
    ),
}
"""Unweighted, with the settings an expert would begin with and nothing tuned; the penalty of boosting is there because
without one its rarest classes run away (accuracy 54 in place of 92 on validation patients of the real cells)."""


def predict_majority(cohort: Cohort, folds: list[Fold]) -> Predictions:
    """Return the class shares of the training cells for every test cell."""
    parts = [
        (
            fold.test,
            FoldPredictions(
                types=_shares(cohort.types[fold.train], len(cohort.type_names), len(fold.test)),
                status=_shares(cohort.status[fold.train], len(cohort.status_names), len(fold.test)),
            ),
        )
        for fold in folds
    ]
    return gather(parts, len(cohort.ids), {})


def predict_learner(
    name: str, features: Float[np.ndarray, "cell feature"], cohort: Cohort, folds: list[Fold]
) -> Predictions:
    """Return what the learner `name` of `MAKERS` says about the test cells of every fold."""
    parts = [
        (
            fold.test,
            FoldPredictions(
                types=_learn(name, features, cohort.types, len(cohort.type_names), fold),
                status=_learn(name, features, cohort.status, len(cohort.status_names), fold),
            ),
        )
        for fold in folds
    ]
    return gather(parts, len(cohort.ids), {})


def _learn(
    name: str, features: Float[np.ndarray, "cell feature"], codes: Int[np.ndarray, " cell"], n_classes: int, fold: Fold
) -> Float[np.ndarray, "cell class"]:
    """Return probabilities over all classes; a class that no training cell has gets none."""
    rows = fold.train[codes[fold.train] >= 0]
    if n_classes == 0 or len(np.unique(codes[rows])) < 2:
        return _shares(codes[fold.train], n_classes, len(fold.test))
    learner = MAKERS[name]()
    learner.fit(features[rows], codes[rows])
    probs = np.zeros((len(fold.test), n_classes))
    probs[:, learner.classes_] = learner.predict_proba(features[fold.test])
    return probs


def _shares(codes: Int[np.ndarray, " cell"], n_classes: int, n_cells: int) -> Float[np.ndarray, "cell class"]:
    count = np.bincount(codes[codes >= 0], minlength=n_classes)[:n_classes].astype(np.float64)
    return np.tile(count / max(count.sum(), 1.0), (n_cells, 1))
