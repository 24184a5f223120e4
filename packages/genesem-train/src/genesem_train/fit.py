"""The training loop.

What enters are the inputs of one slide and a network; what leaves is the latent of the last epoch and the course of the
losses. No label is known here, and no epoch is chosen: training ends where it was told to.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from genesem_train.checkpoints import Resumable, set_down, take_up
from genesem_train.errors import TrainingError
from genesem_train.interrupts import held_interrupts
from genesem_train.models.backbone import Backbone, SlideInputs
from genesem_train.models.fusion import FusionName
from genesem_train.models.semst import LossForm, SemST
from genesem_train.repeatable import repeatable
from genesem_train.sparse import SparseMatrix

OnEpoch = Callable[[int, dict[str, float]], None]
"""Called after every epoch with the number of epochs done and the epoch's losses."""
Average = Callable[[Backbone, dict[str, float]], dict[str, float]]
"""Called after every backward pass; changes the gradients and returns the losses to report."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term of SemST; the released code names the last two gamma and beta, the paper lambda and gamma."""

    zinb: float = 1.0
    spatial: float = 0.1
    correlation: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fitted network, as the last epoch left it."""

    latent: Float[np.ndarray, "spot latent_dim"]
    readouts: dict[int, Float[np.ndarray, "spot dim"]]
    """What is clustered, by epoch: the last one, and those asked for."""
    readout_weights: dict[int, dict[str, Tensor]]
    """The network's weights at those epochs."""
    losses: dict[str, list[float]]
    """Per epoch: the unweighted terms, and their weighted `total`."""
    alpha: Float[np.ndarray, "spot dim"] | None
    beta: Float[np.ndarray, "spot dim"] | None
    weights: dict[str, Tensor]
    """The network's parameters and buffers by name, on the CPU."""
    seconds: float
    facts: dict[str, float] = field(default_factory=dict)
    """What is worth reporting about the graphs that it was trained on."""
    kept: Mapping[str, Tensor] = field(default_factory=dict)
    """What prediction needs beside the last weights, by name; names that seeds share hold the same."""


def fit_backbone(
    make_network: Callable[[], Backbone],
    inputs: SlideInputs,
    *,
    epochs: int,
    lr: float = 1e-3,
    weight_decay: float = 5e-4,
    clip_norm: float | None = None,
    readout_epochs: Collection[int] = (),
    seed: int = 0,
    device: str = "cpu",
    resumable: Resumable | None = None,
    average: Average | None = None,
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> Trained:
    """Return the network fitted to the inputs by Adam on the whole slide at once.

    Parameters
    ----------
    make_network
        Called once, under `seed`, which decides the initial weights and, on a CPU, the result.
    clip_norm
        Greatest norm of the gradient; None leaves it free.
    readout_epochs
        Epochs whose readout and weights to keep beside the last one's.
    resumable
        Where to keep checkpoints, and whether to go on from one; the result is that of a fit in one go.
    average
        What several processes do with their gradients before a step (`genesem_train.parallel`).

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    begun = time.perf_counter()
    inputs = inputs.to(device)
    with repeatable(seed, device):
        network = make_network().to(device)
        optimiser = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay)
        history, readouts, snapshots = take_up(resumable, network, optimiser)
        with held_interrupts() as interrupt:
            for epoch in range(len(history["total"]) + 1, epochs + 1):
                network.train()
                optimiser.zero_grad()
                terms = network.losses(inputs, network(inputs))
                total = torch.stack([network.loss_weights[name] * term for name, term in terms.items()]).sum()
                total.backward()  # type: ignore[no-untyped-call]
                losses = {name: float(term.detach()) for name, term in {**terms, "total": total}.items()}
                if average is not None:
                    losses = average(network, losses)
                if clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
                _check_finite(losses, epoch)
                optimiser.step()
                for name, value in losses.items():
                    history.setdefault(name, []).append(value)
                if epoch in readout_epochs:
                    readouts[epoch], snapshots[epoch] = _readout(network, inputs), _weights(network)
                on_epoch(epoch, losses)
                if resumable is not None and (interrupt.asked or epoch % resumable.every == 0):
                    set_down(resumable, network, optimiser, history, readouts, snapshots)
                if interrupt.asked:
                    raise KeyboardInterrupt
        readouts[epochs], snapshots[epochs] = _readout(network, inputs), _weights(network)
    return _trained(network, inputs, readouts, snapshots, history, time.perf_counter() - begun)


def fit_semst(
    values: sparse.csr_matrix,
    spatial: sparse.csr_matrix,
    spatial_weights: SparseMatrix,
    feature_weights: SparseMatrix,
    *,
    semantics: Float[np.ndarray, "spot semantic_dim"] | None = None,
    fusion: FusionName = "fsm",
    hidden_dim: int = 256,
    latent_dim: int = 128,
    modulator_ratio: float = 0.5,
    loss_form: LossForm = "released",
    loss_weights: LossWeights = LossWeights(),
    pairs: Literal["exact", "moments"] = "exact",
    epochs: int = 200,
    lr: float = 1e-3,
    weight_decay: float = 5e-4,
    seed: int = 0,
    device: str = "cpu",
    resumable: Resumable | None = None,
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> Trained:
    """Return SemST fitted to one slide.

    Parameters
    ----------
    values
        Scaled expression, zeros left out.
    spatial
        The spatial graph, for the spatial term.
    spatial_weights, feature_weights
        Propagation weights of both views.
    semantics
        One vector per spot; None leaves the fusion out.
    fusion, hidden_dim, latent_dim, modulator_ratio, loss_form, loss_weights, pairs
        As `SemST` has them.
    """
    semantic_dim = None if semantics is None else semantics.shape[1]

    def make_network() -> SemST:
        return SemST(
            values.shape[1],
            semantic_dim,
            hidden_dim=hidden_dim,
            latent_dim=latent_dim,
            modulator_ratio=modulator_ratio,
            fusion=fusion,
            loss_form=loss_form,
            loss_weights=vars(loss_weights),
            pairs=pairs,
        )

    inputs = make_inputs(values, spatial, spatial_weights, feature_weights, semantics)
    return fit_backbone(
        make_network,
        inputs,
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        device=device,
        resumable=resumable,
        on_epoch=on_epoch,
    )


def make_inputs(
    values: sparse.csr_matrix,
    spatial: sparse.csr_matrix,
    spatial_weights: SparseMatrix | None = None,
    feature_weights: SparseMatrix | None = None,
    semantics: Float[np.ndarray, "spot semantic_dim"] | None = None,
) -> SlideInputs:
    """Return what a network sees, from matrices and graphs."""
    return SlideInputs(
        values=SparseMatrix.from_scipy(values),
        edges=torch.from_numpy(np.stack(spatial.nonzero()).astype(np.int64)),
        spatial=spatial_weights,
        feature=feature_weights,
        semantics=None if semantics is None else torch.as_tensor(semantics, dtype=torch.float32),
    )


def _check_finite(losses: dict[str, float], epoch: int) -> None:
    broken = [name for name, value in losses.items() if not np.isfinite(value)]
    if broken:
        msg = (
            f"the loss {', '.join(broken)} is no longer finite in epoch {epoch}; expected a number: "
            "lower training.lr, or check the values for extreme outliers"
        )
        raise TrainingError(msg)


def _weights(network: Backbone) -> dict[str, Tensor]:
    return {name: tensor.to("cpu", copy=True) for name, tensor in network.state_dict().items()}


@torch.no_grad()
def _readout(network: Backbone, inputs: SlideInputs) -> Float[np.ndarray, "spot dim"]:
    network.eval()
    return network.readout(inputs, network(inputs)).cpu().numpy()


@torch.no_grad()
def _trained(
    network: Backbone,
    inputs: SlideInputs,
    readouts: dict[int, Float[np.ndarray, "spot dim"]],
    snapshots: dict[int, dict[str, Tensor]],
    losses: dict[str, list[float]],
    seconds: float,
) -> Trained:
    network.eval()
    modulation = network.modulation(inputs)
    alpha, beta = (None, None) if modulation is None else (part.cpu().numpy() for part in modulation)
    return Trained(
        latent=network(inputs).final.cpu().numpy(),
        readouts=readouts,
        readout_weights=snapshots,
        losses=losses,
        alpha=alpha,
        beta=beta,
        weights=_weights(network),
        seconds=seconds,
    )
