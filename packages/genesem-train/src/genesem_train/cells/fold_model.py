"""What one fold learnt, whole: heads and attention, fitted on its training part, asked about any cells."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from genesem_train.cells.calibration import probabilities
from genesem_train.cells.cohort import Cohort
from genesem_train.cells.config import HeadsConfig
from genesem_train.cells.folds import Fold
from genesem_train.cells.heads import FittedHeads, fit_heads
from genesem_train.cells.pooling import FittedPool, Level, bags_of, fit_pools, whole_bags
from genesem_train.cells.predictions import FoldPredictions


@dataclass(frozen=True, kw_only=True)
class FoldModel:
    """Heads of one fold, and its attention over patients and images where there is a status."""

    heads: FittedHeads
    pools: Mapping[Level, FittedPool]

    def predict(
        self,
        vectors: Float[np.ndarray, "cell dim"],
        cohort: Cohort,
        rows: Int[np.ndarray, " asked"],
        bag_rows: Mapping[Level, Int[np.ndarray, " whole"]],
    ) -> FoldPredictions:
        """Return the calibrated probabilities of the cells at `rows`, and of the bags of `bag_rows` by attention."""
        logits = self.heads.logits(vectors[rows])
        place = {int(row): position for position, row in enumerate(rows)}
        attention = {}
        for level, pool in self.pools.items():
            asked = bag_rows[level]
            if len(asked):
                hidden = logits.hidden[[place[int(row)] for row in asked]]
                attention[level] = pool.probabilities(hidden, bags_of(cohort, level)[0][asked])
        return FoldPredictions(
            types=probabilities(logits.types.numpy().astype(np.float64), self.heads.type_temperature),
            status=self.heads.status_probabilities(logits),
            attention=attention,
        )


def fit_fold(
    vectors: Float[np.ndarray, "cell dim"], cohort: Cohort, fold: Fold, options: HeadsConfig, seed: int
) -> FoldModel:
    """Return what is learnt from the training part of `fold`.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    heads = fit_heads(vectors, cohort, fold, options, seed)
    with_pools = options.attention and bool(cohort.status_names)
    pools = fit_pools(heads.logits(vectors).hidden, cohort, fold, seed) if with_pools else {}
    return FoldModel(heads=heads, pools=pools)


def predict_fold(
    model: FoldModel, vectors: Float[np.ndarray, "cell dim"], cohort: Cohort, fold: Fold
) -> FoldPredictions:
    """Return what the fold says about its test cells, and about the patients and images that are all test cells."""
    bag_rows: dict[Level, Int[np.ndarray, " whole"]] = {level: whole_bags(cohort, fold, level) for level in model.pools}
    return model.predict(vectors, cohort, fold.test, bag_rows)
