"""The status of a patient or of an image from its cells by attention."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from genesem_train.cells.cohort import Cohort
from genesem_train.cells.folds import Fold
from genesem_train.cells.networks import AttentionPool

Level = Literal["patient", "image"]
STEPS = 150
LR = 3e-3
WEIGHT_DECAY = 0.05
"""Strong on purpose: a bag is one sample, and a cohort has tens of them."""
MOST_CELLS = 512
"""Cells of a bag that one step looks at, drawn anew each time: a step's cost grows with bags, not with cells."""


@dataclass(frozen=True, kw_only=True)
class FittedPool:
    """Attention of one fold with the centre and scale of the trunk's output that it was fitted on."""

    pool: AttentionPool
    centre: Float[Tensor, " hidden"]
    spread: Float[Tensor, " hidden"]

    def probabilities(
        self, hidden: Float[Tensor, "cell hidden"], bags: Int[np.ndarray, " cell"]
    ) -> dict[int, Float[np.ndarray, " status"]]:
        """Return the status probabilities of each bag by its code, from all its cells."""
        names, flat = np.unique(bags, return_inverse=True)
        with torch.no_grad():
            logits = self.pool((hidden - self.centre) / self.spread, torch.from_numpy(flat), len(names))
        probs = logits.softmax(dim=1).numpy().astype(np.float64)
        return {int(name): row for name, row in zip(names, probs, strict=True)}


def bags_of(cohort: Cohort, level: Level) -> tuple[Int[np.ndarray, " cell"], Int[np.ndarray, " bag"]]:
    """Return the bag of each cell, and the status of each bag."""
    if level == "patient":
        return cohort.patients, cohort.patient_status
    return cohort.images, cohort.image_status


def fit_pools(hidden: Float[Tensor, "cell hidden"], cohort: Cohort, fold: Fold, seed: int) -> dict[Level, FittedPool]:
    """Return attention over the cells of a patient and of an image, fitted on the trunk's frozen output.

    Nothing where the training part has fewer than two classes of status. Where every patient has one image, both are
    one.
    """
    rows = fold.train[cohort.status[fold.train] >= 0]
    if len(np.unique(cohort.status[rows])) < 2:
        return {}
    pools: dict[Level, FittedPool] = {"patient": _fit_pool(hidden, cohort, rows, "patient", seed)}
    pools["image"] = _fit_pool(hidden, cohort, rows, "image", seed) if cohort.has_more_images else pools["patient"]
    return pools


def whole_bags(cohort: Cohort, fold: Fold, level: Level) -> Int[np.ndarray, " test"]:
    """Return the test rows of the bags that lie wholly in the test part; a split that tears bags apart leaves none."""
    bags = bags_of(cohort, level)[0]
    return fold.test[~np.isin(bags[fold.test], bags[fold.train])]


def _fit_pool(
    hidden: Float[Tensor, "cell hidden"], cohort: Cohort, rows: Int[np.ndarray, " train"], level: Level, seed: int
) -> FittedPool:
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    centre, spread = hidden[rows].mean(dim=0), hidden[rows].std(dim=0) + 1e-6
    cells = (hidden[rows] - centre) / spread
    bag_of_cell, status_of_bag = bags_of(cohort, level)
    names, bags = np.unique(bag_of_cell[rows], return_inverse=True)
    targets = torch.from_numpy(status_of_bag[names])
    pool = AttentionPool(cells.shape[1], len(cohort.status_names))
    count = torch.bincount(targets, minlength=pool.head.out_features).float()
    weight = torch.where(count > 0, len(targets) / (count.clamp(min=1) * (count > 0).sum()), 0.0)
    optimiser = torch.optim.AdamW(pool.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        seen = _draw(bags, random)
        loss = cross_entropy(pool(cells[seen], torch.from_numpy(bags[seen]), len(names)), targets, weight=weight)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return FittedPool(pool=pool, centre=centre, spread=spread)


def _draw(bags: Int[np.ndarray, " cell"], random: np.random.Generator) -> Int[np.ndarray, " drawn"]:
    """Return rows of at most `MOST_CELLS` cells of each bag, all of a smaller one."""
    count = np.bincount(bags)
    if count.max() <= MOST_CELLS:
        return np.arange(len(bags))
    order = random.permutation(len(bags))
    order = order[np.argsort(bags[order], kind="stable")]
    place = np.arange(len(bags)) - (np.cumsum(count) - count)[bags[order]]
    return np.sort(order[place < MOST_CELLS])
