"""The mode ``improved``: from counts and coordinates to readouts that seeds and epochs can be averaged over.

The slide decides what the paper leaves to a preset: how much a spot's own expression counts against its place, and who
is like whom. No label and no kind of technology is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse

from genesem_train.checkpoints import Resumable
from genesem_train.components import count_components
from genesem_train.field import Field, smooth_field
from genesem_train.fit import OnEpoch, Trained, fit_backbone
from genesem_train.graphs import nearest_spots, propagation, spatial_graph
from genesem_train.graphs.edges import symmetric
from genesem_train.models.backbone import SlideInputs
from genesem_train.models.field_semst import FieldSemST, GenePriors
from genesem_train.models.fusion import FusionName
from genesem_train.sparse import SparseMatrix

FIELD_NEIGHBOURS = 6
VIEW_NEIGHBOURS = 15
REBUILT_GENES = 1_000
READOUT_EPOCHS = (50, 100)


@dataclass(frozen=True, kw_only=True)
class FieldInputs:
    """A slide, ready for `fit_improved`."""

    inputs: SlideInputs
    genes: GenePriors
    field: Field


def field_inputs(
    counts: sparse.csr_matrix,
    coords: Float[np.ndarray, "spot 2"],
    semantics: Float[np.ndarray, "spot semantic_dim"] | None = None,
) -> FieldInputs:
    """Return the smoothed field of a slide, the views that follow from it, and the counts to rebuild.

    The spatial view takes a spot's own share from the field and the rest from its 15 nearest; the feature view joins
    spots that are alike in the field, not in raw expression, which at single-cell resolution joins cell types across
    tissue. Of the genes, those that the field's components load most are rebuilt.
    """
    components = count_components(counts)
    field = smooth_field(components.scores, spatial_graph(coords, kind="knn", k=FIELD_NEIGHBOURS))
    values = field.values / max(field.values.std(axis=0).max(), 1e-12)
    rebuilt = _loaded_genes(components.loadings * np.sqrt(field.explained) * components.scores.std(axis=0))
    chosen = sparse.csr_matrix(counts[:, rebuilt])
    spatial = spatial_graph(coords, kind="knn", k=VIEW_NEIGHBOURS)
    inputs = SlideInputs(
        values=SparseMatrix.from_scipy(chosen),
        edges=torch.from_numpy(np.stack(spatial.nonzero()).astype(np.int64)),
        spatial=SparseMatrix.from_scipy(lazy_mean(coords, VIEW_NEIGHBOURS, field.own_share)),
        feature=propagation(symmetric(nearest_spots(values, min(VIEW_NEIGHBOURS, len(values) - 1)), len(values))),
        semantics=None if semantics is None else torch.as_tensor(semantics, dtype=torch.float32),
        field=torch.as_tensor(values, dtype=torch.float32),
    )
    genes = GenePriors.from_counts(chosen, components.loadings[rebuilt], components.median_library)
    return FieldInputs(inputs=inputs, genes=genes, field=field)


def fit_improved(
    prepared: FieldInputs,
    *,
    fusion: FusionName = "fsm",
    hidden_dim: int = 64,
    latent_dim: int = 32,
    epochs: int = 100,
    lr: float = 3e-3,
    weight_decay: float = 5e-4,
    seed: int = 0,
    device: str = "cpu",
    resumable: Resumable | None = None,
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> Trained:
    """Return the network fitted to a prepared slide; `readouts` hold the rebuilt components to be averaged."""
    inputs = prepared.inputs
    assert inputs.field is not None
    n_components = inputs.field.shape[1]
    semantic_dim = None if inputs.semantics is None else inputs.semantics.shape[1]
    return fit_backbone(
        lambda: FieldSemST(
            n_components,
            semantic_dim,
            prepared.genes,
            hidden_dim=hidden_dim,
            latent_dim=latent_dim,
            fusion=fusion,
        ),
        inputs,
        epochs=epochs,
        lr=lr,
        weight_decay=weight_decay,
        readout_epochs=READOUT_EPOCHS,
        seed=seed,
        device=device,
        resumable=resumable,
        on_epoch=on_epoch,
    )


def mean_readout(trained: Iterable[Trained]) -> Float[np.ndarray, "spot component"]:
    """Return the mean of all readouts: one embedding of all seeds, because they share their axes."""
    readouts = [readout for one in trained for readout in one.readouts.values()]
    mean: Float[np.ndarray, "spot component"] = np.mean(readouts, axis=0)
    return mean


def lazy_mean(coords: Float[np.ndarray, "spot 2"], k: int, own_share: float) -> sparse.csr_matrix:
    """Return the weights that keep `own_share` of a spot and take the rest from its `k` nearest, evenly."""
    k = min(k, len(coords) - 1)
    rows = np.repeat(np.arange(len(coords)), k)
    weights = np.full(len(rows), (1 - own_share) / k)
    shape = (len(coords), len(coords))
    others = sparse.csr_matrix((weights, (rows, nearest_spots(coords, k).ravel())), shape=shape)
    return sparse.csr_matrix(others + own_share * sparse.identity(len(coords), format="csr"))


def _loaded_genes(loadings: Float[np.ndarray, "gene component"]) -> Float[np.ndarray, " rebuilt"]:
    ranked = np.argsort(-(loadings**2).sum(axis=1), kind="stable")
    return np.sort(ranked[:REBUILT_GENES])
