"""Fitting the heads on stored vectors: the training loop, visible at once.

The type is learnt from every labelled cell, the status from every cell of a patient with one, both through one trunk.
The epoch is chosen and the probabilities are calibrated on validation patients, never on test ones.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from genesem_train.cells.calibration import fit_temperature, probabilities
from genesem_train.cells.cohort import UNKNOWN, Cohort
from genesem_train.cells.config import ClassWeights, HeadsConfig
from genesem_train.cells.folds import Fold
from genesem_train.cells.networks import CellHeads, HeadLogits
from genesem_train.errors import TrainingError


@dataclass(frozen=True, kw_only=True)
class FittedHeads:
    """Heads of one fold with all that a prediction needs."""

    heads: CellHeads
    mean: Float[np.ndarray, " dim"]
    scale: Float[np.ndarray, " dim"]
    type_temperature: float
    status_temperature: float
    losses: dict[str, list[float]]

    def logits(self, vectors: Float[np.ndarray, "cell dim"]) -> HeadLogits:
        """Return the logits of any cells, without gradient."""
        self.heads.eval()
        with torch.no_grad():
            result: HeadLogits = self.heads(torch.from_numpy((vectors - self.mean) / self.scale))
        return result

    def status_probabilities(self, logits: HeadLogits) -> Float[np.ndarray, "cell status"]:
        """Return the calibrated probability of each status."""
        return probabilities(logits.status.numpy().astype(np.float64), self.status_temperature)

    def type_probabilities(self, vectors: Float[np.ndarray, "cell dim"]) -> Float[np.ndarray, "cell type"]:
        """Return the calibrated probability of each cell type."""
        return probabilities(self.logits(vectors).types.numpy().astype(np.float64), self.type_temperature)


def class_weights(codes: Int[np.ndarray, " cell"], n_classes: int, kind: ClassWeights) -> Float[Tensor, " class"]:
    """Return one weight a class: 1, or the inverse of its share or of the share's root, of mean 1 over the cells."""
    count = np.bincount(codes[codes >= 0], minlength=n_classes).astype(np.float64)
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    weights = np.where(count > 0, np.maximum(count, 1) ** -power, 0.0)
    total = float((weights * count).sum())
    return torch.tensor(weights * count.sum() / total if total else weights, dtype=torch.float32)


def fit_heads(
    vectors: Float[np.ndarray, "cell dim"], cohort: Cohort, fold: Fold, options: HeadsConfig, seed: int
) -> FittedHeads:
    """Return the heads of the epoch with the least validation loss, and their temperatures.

    Raises
    ------
    TrainingError
        When the loss is no longer finite.
    """
    torch.manual_seed(seed)
    mean, scale = vectors[fold.fit].mean(axis=0), vectors[fold.fit].std(axis=0) + 1e-6
    heads = CellHeads(
        *(vectors.shape[1], len(cohort.type_names), len(cohort.status_names)),
        kind=options.kind,
        hidden=options.hidden,
        dropout=options.dropout,
    )
    fitted = FittedHeads(
        heads=heads,
        mean=mean,
        scale=scale,
        type_temperature=1.0,
        status_temperature=1.0,
        losses={"fit": [], "validation": []},
    )
    types, status = torch.from_numpy(cohort.types), torch.from_numpy(cohort.status)
    weights = (
        class_weights(cohort.types[fold.fit], len(cohort.type_names), options.class_weights),
        class_weights(cohort.status[fold.fit], len(cohort.status_names), options.class_weights),
    )
    inputs = torch.from_numpy((vectors - mean) / scale)
    optimiser = torch.optim.AdamW(heads.parameters(), lr=options.lr, weight_decay=options.weight_decay)
    order = torch.Generator().manual_seed(seed)
    watched = torch.from_numpy(fold.validation if len(fold.validation) else fold.fit)
    best, best_loss, waited = deepcopy(heads.state_dict()), np.inf, 0
    for _ in range(options.epochs):
        heads.train()
        total = 0.0
        rows = torch.from_numpy(fold.fit)[torch.randperm(len(fold.fit), generator=order)]
        for part in torch.split(rows, options.batch):
            loss = _loss(heads(inputs[part]), types[part], status[part], weights, options)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            total += float(loss.detach()) * len(part)
        heads.eval()
        with torch.no_grad():
            watched_loss = float(_loss(heads(inputs[watched]), types[watched], status[watched], weights, options))
        if not np.isfinite(total):
            epoch = len(fitted.losses["fit"]) + 1
            msg = f"the loss of the heads is {total} in epoch {epoch}; lower the learning rate"
            raise TrainingError(msg)
        fitted.losses["fit"].append(total / len(fold.fit))
        fitted.losses["validation"].append(watched_loss)
        if watched_loss < best_loss:
            best, best_loss, waited = deepcopy(heads.state_dict()), watched_loss, 0
        elif (waited := waited + 1) > options.patience:
            break
    heads.load_state_dict(best)
    return _calibrated(fitted, vectors, cohort, fold)


def _loss(
    logits: HeadLogits,
    types: Int[Tensor, " cell"],
    status: Int[Tensor, " cell"],
    weights: tuple[Tensor, Tensor],
    options: HeadsConfig,
) -> Float[Tensor, ""]:
    """Return the weighted sum of both cross-entropies, over the cells that have the label."""
    total = options.type_weight * _known_mean(logits.types, types, weights[0])
    return total + options.status_weight * _known_mean(logits.status, status, weights[1])


def _known_mean(
    logits: Float[Tensor, "cell class"], targets: Int[Tensor, " cell"], weights: Tensor
) -> Float[Tensor, ""]:
    n_known = (targets != UNKNOWN).sum()
    if n_known == 0:
        return logits.sum() * 0.0
    return cross_entropy(logits, targets, weight=weights, ignore_index=UNKNOWN, reduction="sum") / n_known


def _calibrated(fitted: FittedHeads, vectors: Float[np.ndarray, "cell dim"], cohort: Cohort, fold: Fold) -> FittedHeads:
    logits = fitted.logits(vectors[fold.validation])
    kept = {name: getattr(fitted, name) for name in ("heads", "mean", "scale", "losses")}
    types = logits.types.numpy().astype(np.float64)
    status = logits.status.numpy().astype(np.float64)
    return FittedHeads(
        **kept,
        type_temperature=fit_temperature(types, cohort.types[fold.validation]),
        status_temperature=fit_temperature(status, cohort.status[fold.validation]) if status.shape[1] else 1.0,
    )
