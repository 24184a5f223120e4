"""The training loop.

What enters are the inputs of one slide and a network; what leaves is the latent of the last epoch and the course of the
losses. No label is known here, and no epoch is chosen: training ends where it was told to.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from genesem_train.errors import ConfigError, TrainingError
from genesem_train.models.backbone import Backbone, SlideInputs
from genesem_train.sparse import SparseMatrix
from genesem_train.training.checkpoints import Resumable, set_down, take_up
from genesem_train.training.interrupts import held_interrupts
from genesem_train.training.repeatable import repeatable

OnEpoch = Callable[[int, dict[str, float]], None]
"""Called after every epoch with the number of epochs done and the epoch's losses."""


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
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> Trained:
    """Return the network fitted to the inputs by Adam on the whole slide at once.

    Several processes that share the spots call this together, each with its own rows (`SlideInputs.share`): all of them
    take the same steps and return the same network, with the latents of all spots.

    Parameters
    ----------
    make_network
        Called once, under `seed`, which decides the initial weights and, on a CPU, the result.
    clip_norm
        Greatest norm of the gradient; None leaves it free.
    readout_epochs
        Epochs whose readout and weights to keep beside the last one's.
    resumable
        Where to keep checkpoints, and whether to go on from one; the result is that of a fit in one go. Of several
        processes the leading one's counts.

    Raises
    ------
    ConfigError
        When the checkpoint is of a later epoch than the last one asked for.
    TrainingError
        When a loss is no longer finite.
    """
    begun = time.perf_counter()
    inputs = inputs.to(device)
    rows = inputs.rows
    with repeatable(seed, device):
        network = make_network().to(device)
        optimiser = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay)
        history, readouts, snapshots, before = take_up(resumable, rows, network, optimiser)
        begun -= before
        _check_epochs(len(history["total"]), epochs)
        with held_interrupts() as interrupt:
            for epoch in range(len(history["total"]) + 1, epochs + 1):
                network.train()
                optimiser.zero_grad()
                terms = network.losses(inputs, network(inputs))
                total = torch.stack([network.loss_weights[name] * term for name, term in terms.items()]).sum()
                (total / rows.n_processes).backward()  # type: ignore[no-untyped-call]
                rows.sum_gradients(network.parameters())
                losses = {name: float(term.detach()) for name, term in {**terms, "total": total}.items()}
                if clip_norm is not None:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
                _check_finite(losses, epoch)
                optimiser.step()
                for name, value in losses.items():
                    history.setdefault(name, []).append(value)
                if epoch in readout_epochs:
                    readouts[epoch], snapshots[epoch] = _readout(network, inputs), _weights(network)
                on_epoch(epoch, losses)
                stop = rows.any(interrupt.asked)
                if resumable is not None and (stop or epoch % resumable.every == 0):
                    set_down(resumable, network, optimiser, history, readouts, snapshots, time.perf_counter() - begun)
                if stop:
                    raise KeyboardInterrupt
        readouts[epochs], snapshots[epochs] = _readout(network, inputs), _weights(network)
    return _trained(network, inputs, readouts, snapshots, history, time.perf_counter() - begun)


@torch.no_grad()
def readout_of(network: Backbone, weights: Mapping[str, Tensor], inputs: SlideInputs) -> Float[np.ndarray, "spot dim"]:
    """Return what is clustered of a slide, from a network with the widths that `weights` were fitted in."""
    network.load_state_dict(dict(weights))
    return _readout(network, inputs)


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


def _check_epochs(done: int, wanted: int) -> None:
    if done > wanted:
        msg = (
            f"the checkpoint to go on from is of epoch {done}; expected at most {wanted}, the epochs asked for: "
            f"take --epochs {done} or more, or fit without --resume"
        )
        raise ConfigError(msg)


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
    return _everyone(network.readout(inputs, network(inputs)), inputs)


def _everyone(own: Float[Tensor, "own dim"], inputs: SlideInputs) -> Float[np.ndarray, "spot dim"]:
    """Return the rows of all processes."""
    return inputs.rows.gather(own).cpu().numpy()


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
    alpha, beta = (None, None) if modulation is None else (_everyone(part, inputs) for part in modulation)
    return Trained(
        latent=_everyone(network(inputs).final, inputs),
        readouts=readouts,
        readout_weights=snapshots,
        losses=losses,
        alpha=alpha,
        beta=beta,
        weights=_weights(network),
        seconds=seconds,
    )
