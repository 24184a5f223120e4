"""The training loop.

What enters are values, graphs and semantics of one slide; what leaves is the latent of the last epoch and the course of
the losses. No label is known here, and no epoch is chosen: training ends where it was told to.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from genesem_train.errors import TrainingError
from genesem_train.losses.correlation import correlation_loss
from genesem_train.losses.spatial import spatial_loss
from genesem_train.losses.zinb import NonZeros, zinb_nll
from genesem_train.models.decoder import ZinbDecoder
from genesem_train.models.fusion import FusionName
from genesem_train.models.semst import SemST, SlideInputs
from genesem_train.sparse import SparseMatrix

BLOCK_ENTRIES = 2**22
"""Spots times genes that the decoder's heads make at once."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """Weight of each term; the released code names the last two gamma and beta, the paper lambda and gamma."""

    zinb: float = 1.0
    spatial: float = 0.1
    correlation: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fitted network, as the last epoch left it."""

    latent: Float[np.ndarray, "spot latent_dim"]
    losses: dict[str, list[float]]
    """Per epoch: the unweighted terms, and their weighted `total`."""
    alpha: Float[np.ndarray, "spot dim"] | None
    beta: Float[np.ndarray, "spot dim"] | None
    weights: dict[str, Tensor]
    """The network's parameters and buffers by name, on the CPU."""
    seconds: float


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
    loss_form: Literal["paper", "released"] = "released",
    loss_weights: LossWeights = LossWeights(),
    pairs: Literal["exact", "moments"] = "exact",
    epochs: int = 200,
    lr: float = 1e-3,
    weight_decay: float = 5e-4,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: Callable[[int, dict[str, float]], None] = lambda epoch, losses: None,
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
    fusion, hidden_dim, latent_dim, modulator_ratio
        As `SemST` has them.
    loss_form, loss_weights, pairs
        Form and weights of the loss; whether the spatial term goes over all pairs or takes their moments.
    seed
        Decides the initial weights; on a CPU it decides the result.
    on_epoch
        Called after every epoch with the number of epochs done and the epoch's losses.

    Raises
    ------
    TrainingError
        When a loss is no longer finite.
    """
    begun = time.perf_counter()
    inputs = SlideInputs(
        values=SparseMatrix.from_scipy(values).to(device),
        spatial=spatial_weights.to(device),
        feature=feature_weights.to(device),
        semantics=None if semantics is None else torch.as_tensor(semantics, dtype=torch.float32, device=device),
    )
    edges = torch.from_numpy(np.stack(spatial.nonzero()).astype(np.int64)).to(device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SemST(
            values.shape[1],
            None if semantics is None else semantics.shape[1],
            hidden_dim=hidden_dim,
            latent_dim=latent_dim,
            modulator_ratio=modulator_ratio,
            fusion=fusion,
        ).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=weight_decay)
    history: dict[str, list[float]] = {"zinb": [], "spatial": [], "correlation": [], "total": []}
    for epoch in range(1, epochs + 1):
        network.train()
        optimiser.zero_grad()
        latents = network(inputs)
        zinb = reconstruction_loss(network.decoder, latents.final, inputs.values, form=loss_form)
        regular = spatial_loss(latents.final, edges, form=loss_form, method=pairs)
        correlation = correlation_loss(latents.spatial, latents.feature, form=loss_form)
        total = loss_weights.zinb * zinb + loss_weights.spatial * regular + loss_weights.correlation * correlation
        total.backward()
        optimiser.step()
        terms = {"zinb": zinb, "spatial": regular, "correlation": correlation, "total": total}
        losses = {name: float(term.detach()) for name, term in terms.items()}
        _check_finite(losses, epoch)
        for name, value in losses.items():
            history[name].append(value)
        on_epoch(epoch, losses)
    return _trained(network, inputs, history, time.perf_counter() - begun)


def reconstruction_loss(
    decoder: ZinbDecoder,
    latent: Float[Tensor, "spot latent_dim"],
    values: SparseMatrix,
    *,
    form: Literal["paper", "released"],
) -> Float[Tensor, ""]:
    """Return the ZINB term over all spots, the decoder's heads made block by block.

    A block's heads are forgotten and made again for its gradient, so memory does not grow with spots times genes.
    ``paper`` sums over all entries, ``released`` takes their mean.
    """
    hidden = decoder(latent)
    n_spots, n_genes = values.shape
    rows_per_block = max(1, BLOCK_ENTRIES // n_genes)

    def block_loss(rows: Tensor, nonzeros: NonZeros) -> Tensor:
        logits = decoder.parameters_of(rows)
        return zinb_nll(nonzeros, logits.mean, logits.dispersion, logits.dropout, form=form)

    total = hidden.new_zeros(())
    for start in range(0, n_spots, rows_per_block):
        nonzeros = _nonzeros(values, start, min(start + rows_per_block, n_spots))
        rows = hidden[start : start + rows_per_block]
        total = total + checkpoint(block_loss, rows, nonzeros, use_reentrant=False)
    return total if form == "paper" else total / (n_spots * n_genes)


def _nonzeros(values: SparseMatrix, start: int, stop: int) -> NonZeros:
    """Return the non-zero values of the spots from `start` to `stop`."""
    pointers = values.matrix.crow_indices()[start : stop + 1]
    entries = slice(int(pointers[0]), int(pointers[-1]))
    row = torch.repeat_interleave(torch.arange(stop - start, device=pointers.device), pointers.diff())
    index = row * values.shape[1] + values.matrix.col_indices()[entries]
    return NonZeros(index=index, value=values.matrix.values()[entries])


def _check_finite(losses: dict[str, float], epoch: int) -> None:
    broken = [name for name, value in losses.items() if not np.isfinite(value)]
    if broken:
        msg = (
            f"the loss {', '.join(broken)} is no longer finite in epoch {epoch}; expected a number: "
            "lower training.lr, or check the values for extreme outliers"
        )
        raise TrainingError(msg)


@torch.no_grad()
def _trained(network: SemST, inputs: SlideInputs, losses: dict[str, list[float]], seconds: float) -> Trained:
    network.eval()
    modulation = network.modulation(inputs)
    alpha, beta = (None, None) if modulation is None else (part.cpu().numpy() for part in modulation)
    return Trained(
        latent=network(inputs).final.cpu().numpy(),
        losses=losses,
        alpha=alpha,
        beta=beta,
        weights={name: tensor.cpu() for name, tensor in network.state_dict().items()},
        seconds=seconds,
    )
