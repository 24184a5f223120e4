"""Which cells a fold learns from, tunes on and is tested on."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows of one fold; `validation` is a part of the training groups, for stopping and temperature alone."""

    fit: Int[np.ndarray, " cell"]
    validation: Int[np.ndarray, " cell"]
    test: Int[np.ndarray, " cell"]

    @property
    def train(self) -> Int[np.ndarray, " cell"]:
        """Return all training rows, for methods that need no validation."""
        return np.sort(np.concatenate([self.fit, self.validation]))


def carve_validation(
    train: Int[np.ndarray, " cell"],
    test: Int[np.ndarray, " cell"],
    groups: Int[np.ndarray, " cell"],
    strata: Int[np.ndarray, " cell"],
    *,
    share: float,
    seed: int,
) -> Fold:
    """Return the fold with whole groups of `train` set aside for validation.

    Parameters
    ----------
    groups
        What must not be torn apart: the patient, image or cell of each cell.
    strata
        A class per cell, the same within a group; each gives its share of groups to the validation part.
    share
        Part of the groups of each stratum to set aside; one group of a stratum always stays for fitting.
    """
    rng = np.random.default_rng(seed)
    own, first = np.unique(groups[train], return_index=True)
    kinds = strata[train][first]
    chosen: list[int] = []
    for kind in np.unique(kinds):
        members = rng.permutation(own[kinds == kind])
        chosen += members[: min(len(members) - 1, max(1, round(share * len(members))))].tolist()
    held = np.isin(groups[train], chosen)
    return Fold(fit=train[~held], validation=train[held], test=test)
