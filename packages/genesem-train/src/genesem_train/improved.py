"""The mode ``improved``: a slide's own field, two views of it, and a decoder that describes the place, not the cell.

The slide decides what the paper leaves to a preset: how much a spot's own expression counts against its place, how many
neighbours the spatial view takes, and who is like whom. No label and no kind of technology is asked for.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.decomposition import PCA

from genesem_train.checkpoints import Resumable
from genesem_train.components import count_components
from genesem_train.domains import equal_variance
from genesem_train.field import Field, smooth_field
from genesem_train.fit import OnEpoch, Trained, fit_backbone
from genesem_train.graphs import graph_within, nearest_spots, propagation, spatial_graph
from genesem_train.graphs.edges import symmetric
from genesem_train.models.backbone import SlideInputs
from genesem_train.models.field_semst import FieldSemST, GenePriors
from genesem_train.models.fusion import FusionName
from genesem_train.sparse import SparseMatrix

FIELD_NEIGHBOURS = 6
SPATIAL_NEIGHBOURS = (4, 15)
FEATURE_NEIGHBOURS = 15
REBUILT_GENES = 1_000
READOUT_EPOCHS = (50, 100)
SEMANTIC_DIM = 32
EMBEDDING_DIM = 30


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
    *,
    slide_of: Int[np.ndarray, " spot"] | None = None,
) -> FieldInputs:
    """Return the smoothed field of a slide, the views that follow from it, and the counts to rebuild.

    The spatial view keeps a spot's own share, as the field found it, and takes the rest from as many neighbours as that
    share says (1 / share, 4 to 15). The feature view joins spots that are alike in the field, not in raw expression,
    which at single-cell resolution joins cell types across tissue. The counts to rebuild are the spatial view's mean:
    a decoder of single cells would spend the latent on the kind of cell.

    Parameters
    ----------
    counts
        Raw counts of the variable genes.
    semantics
        One vector per spot; whitened here, because vectors of a language model are nearly the same for all spots.
    slide_of
        Which slide each spot is of, where there are several: no edge joins two.
    """
    slides = np.zeros(len(coords), dtype=np.int64) if slide_of is None else slide_of
    components = count_components(counts)
    field = smooth_field(components.scores, _spatial(coords, slides, FIELD_NEIGHBOURS))
    values = field.values / max(field.values.std(axis=0).max(), 1e-12)
    n_neighbours = int(np.clip(round(1 / max(field.own_share, 1e-3)), *SPATIAL_NEIGHBOURS))
    graph = _spatial(coords, slides, n_neighbours)
    view = lazy_mean(graph, field.own_share)
    rebuilt = _loaded_genes(components.loadings * np.sqrt(field.explained) * components.scores.std(axis=0))
    target = sparse.csr_matrix(view @ counts[:, rebuilt], dtype=np.float32)
    inputs = SlideInputs(
        values=SparseMatrix.from_scipy(target),
        edges=torch.from_numpy(np.stack(graph.nonzero()).astype(np.int64)),
        spatial=SparseMatrix.from_scipy(view),
        feature=propagation(graph_within(slides, lambda rows: _alike(values[rows]))),
        semantics=None if semantics is None else torch.as_tensor(whiten(semantics), dtype=torch.float32),
        field=torch.as_tensor(values, dtype=torch.float32),
    )
    return FieldInputs(inputs=inputs, genes=GenePriors.from_counts(target), field=field)


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
    """Return the network fitted to a prepared slide; `embedding` makes of it what is clustered."""
    inputs = prepared.inputs
    assert inputs.field is not None
    n_components = inputs.field.shape[1]
    semantic_dim = None if inputs.semantics is None else inputs.semantics.shape[1]

    def make_network() -> FieldSemST:
        widths = {"hidden_dim": hidden_dim, "latent_dim": latent_dim}
        return FieldSemST(n_components, semantic_dim, prepared.genes, **widths, fusion=fusion)

    return fit_backbone(
        make_network,
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


def embedding(prepared: FieldInputs, trained: Trained) -> Float[np.ndarray, "spot component"]:
    """Return what is clustered: the latents of the kept epochs beside the field that they came from.

    Both halves have the same total variance. The field is the same for all seeds, which steadies what seeds differ in.
    """
    latents = np.hstack([equal_variance(readout) for readout in trained.readouts.values()]) / np.sqrt(
        len(trained.readouts)
    )
    joint = np.hstack([latents, equal_variance(prepared.field.values)])
    principal = PCA(min(EMBEDDING_DIM, *joint.shape), svd_solver="full")
    reduced: Float[np.ndarray, "spot component"] = principal.fit_transform(joint)
    return reduced


def whiten(semantics: Float[np.ndarray, "spot semantic_dim"]) -> Float[np.ndarray, "spot dim"]:
    """Return the first 32 principal components of the vectors, each of variance 1."""
    dim = min(SEMANTIC_DIM, min(semantics.shape) - 1)
    white = PCA(dim, whiten=True, svd_solver="randomized", random_state=0)
    components: Float[np.ndarray, "spot dim"] = white.fit_transform(np.asarray(semantics, dtype=np.float64))
    return components


def lazy_mean(graph: sparse.csr_matrix, own_share: float) -> sparse.csr_matrix:
    """Return the weights that keep `own_share` of a spot and take the rest from its neighbours, evenly."""
    degrees = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    means = sparse.diags((1 - own_share) / np.maximum(degrees, 1)) @ graph
    return sparse.csr_matrix(means + own_share * sparse.identity(graph.shape[0], format="csr"))


def _spatial(coords: Float[np.ndarray, "spot 2"], slides: Int[np.ndarray, " spot"], k: int) -> sparse.csr_matrix:
    return graph_within(slides, lambda rows: spatial_graph(coords[rows], kind="knn", k=k))


def _alike(values: Float[np.ndarray, "spot component"]) -> sparse.csr_matrix:
    return symmetric(nearest_spots(values, min(FEATURE_NEIGHBOURS, len(values) - 1)), len(values))


def _loaded_genes(loadings: Float[np.ndarray, "gene component"]) -> Int[np.ndarray, " rebuilt"]:
    """Return the genes that the predictable part of the components loads most."""
    ranked = np.argsort(-(loadings**2).sum(axis=1), kind="stable")
    return np.sort(ranked[:REBUILT_GENES])
