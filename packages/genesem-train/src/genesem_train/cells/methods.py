"""Every method of the comparison on the same folds: the heads on vectors, and all baselines."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genesem_embed.store import Store
from genesem_train.cells.baselines import MAKERS, predict_learner, predict_majority
from genesem_train.cells.cohort import Cohort
from genesem_train.cells.config import HeadsConfig
from genesem_train.cells.fold_model import FoldModel, fit_fold, predict_fold
from genesem_train.cells.folds import Fold
from genesem_train.cells.predictions import FoldPredictions, Predictions, gather
from genesem_train.cells.sentences import SentenceSet

if TYPE_CHECKING:
    from jaxtyping import Int

    from genesem_train.cells.pooling import Level

PLAIN = "plain sentence, no context"
OnStep = Callable[[str], None]
"""Told in words what begins now."""


def predict_sentences(
    store: Store,
    sentences: SentenceSet,
    cohort: Cohort,
    folds: list[Fold],
    heads: HeadsConfig,
    seeds: Sequence[int],
    on_step: OnStep,
) -> tuple[list[Predictions], list[list[FoldModel]]]:
    """Return the predictions of each seed from stored vectors, and its models of every fold."""
    parts: list[list[tuple[Int[np.ndarray, " cell"], FoldPredictions]]] = [[] for _ in seeds]
    fitted: list[list[FoldModel]] = [[] for _ in seeds]
    for number, fold in enumerate(folds):
        vectors = sentences.matrix(store, number, cohort.ids)
        for place, seed in enumerate(seeds):
            on_step(f"fold {number + 1} of {len(folds)}, seed {seed}")
            one = fit_fold(vectors, cohort, fold, heads, seed)
            fitted[place].append(one)
            parts[place].append((fold.test, predict_fold(one, vectors, cohort, fold)))
    n_bags: dict[Level, int] = {"patient": len(cohort.patient_names), "image": len(cohort.image_names)}
    return [gather(part, len(cohort.ids), n_bags) for part in parts], fitted


def predict_baselines(cohort: Cohort, folds: list[Fold], n_neighbours: int, on_step: OnStep) -> dict[str, Predictions]:
    """Return what every baseline without a language model predicts, by name."""
    both = np.hstack([cohort.values, cohort.around])
    found = {"majority": predict_majority(cohort, folds)}
    for name in MAKERS:
        for label, features in (("markers", cohort.values), (f"markers + {n_neighbours} neighbours", both)):
            on_step(f"baseline {name} on {label}")
            found[f"{name} on {label}"] = predict_learner(name, features, cohort, folds)
    return found
