"""The status of a patient from its cells by attention."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from genesem_train.cells.cohort import Cohort
from genesem_train.cells.folds import Fold
from genesem_train.cells.networks import AttentionPool

STEPS = 150
LR = 3e-3
WEIGHT_DECAY = 0.05
"""Strong on purpose: a bag is one sample, and a cohort has tens of them."""


def attend_patients(
    hidden: Float[Tensor, "cell hidden"], cohort: Cohort, fold: Fold, seed: int
) -> dict[int, Float[np.ndarray, " status"]]:
    """Return the status probabilities of the patients that lie wholly in the test part.

    Attention is fitted on the trunk's frozen output with one bag a patient, all bags at every step. With a split that
    tears patients apart there is no such patient, and nothing is returned.
    """
    whole = np.setdiff1d(cohort.patients[fold.test], cohort.patients[fold.train])
    train_rows = fold.train[cohort.status[fold.train] >= 0]
    if len(whole) == 0 or len(np.unique(cohort.status[train_rows])) < 2:
        return {}
    torch.manual_seed(seed)
    centre, spread = hidden[train_rows].mean(dim=0), hidden[train_rows].std(dim=0) + 1e-6
    cells = (hidden - centre) / spread
    pool = AttentionPool(cells.shape[1], len(cohort.status_names))
    _fit(pool, cells[train_rows], cohort.patients[train_rows], cohort.patient_status)
    test_rows = fold.test[np.isin(cohort.patients[fold.test], whole)]
    names, bags = np.unique(cohort.patients[test_rows], return_inverse=True)
    with torch.no_grad():
        probs = pool(cells[test_rows], torch.from_numpy(bags), len(names)).softmax(dim=1).numpy()
    return {int(name): row.astype(np.float64) for name, row in zip(names, probs, strict=True)}


def _fit(
    pool: AttentionPool,
    cells: Float[Tensor, "cell hidden"],
    patients: Int[np.ndarray, " cell"],
    patient_status: Int[np.ndarray, " patient"],
) -> None:
    names, bags = np.unique(patients, return_inverse=True)
    flat, targets = torch.from_numpy(bags), torch.from_numpy(patient_status[names])
    count = torch.bincount(targets, minlength=pool.head.out_features).float()
    weight = torch.where(count > 0, len(targets) / (count.clamp(min=1) * (count > 0).sum()), 0.0)
    optimiser = torch.optim.AdamW(pool.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        loss = cross_entropy(pool(cells, flat, len(names)), targets, weight=weight)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
