"""The field and the views of a slide: learnt from the slide that is fitted, applied to it and to slides to come.

The slide decides what the paper leaves to a preset: how much a spot's own expression counts against its place, how many
neighbours the spatial view takes, and who is like whom. No label and no kind of technology is asked for.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse

from genesem_train.graphs import graph_within, nearest_spots, propagation, spatial_graph
from genesem_train.graphs.edges import symmetric
from genesem_train.improved.components import count_components
from genesem_train.improved.field import SLACK, smooth_field, smooth_like
from genesem_train.improved.transforms import FieldTransforms
from genesem_train.improved.whitening import whiten
from genesem_train.models.backbone import SlideInputs
from genesem_train.models.field_semst import GenePriors
from genesem_train.sparse import SparseMatrix

FIELD_NEIGHBOURS = 6
FEATURE_NEIGHBOURS = 15
REBUILT_GENES = 1_000

Vectors = Float[np.ndarray, "spot dim"]


@dataclass(frozen=True, kw_only=True)
class FieldInputs:
    """A slide, ready for the network of mode ``improved``."""

    inputs: SlideInputs
    genes: GenePriors
    field: Vectors
    """The smoothed components, before they are scaled."""
    transforms: FieldTransforms


def field_inputs(
    counts: sparse.csr_matrix,
    coords: Float[np.ndarray, "spot 2"],
    semantics: Float[np.ndarray, "spot semantic_dim"] | None = None,
    *,
    slide_of: Int[np.ndarray, " spot"] | None = None,
    slack: float = SLACK,
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
    slack
        Of `smooth_field`: standard errors by which a greater strength may miss the least error.
    """
    slides = np.zeros(len(coords), dtype=np.int64) if slide_of is None else slide_of
    graph = _spatial(coords, slides, FIELD_NEIGHBOURS)
    components = count_components(counts, graph)
    field = smooth_field(components.scores, graph, slack=slack)
    white, whitening = (None, None) if semantics is None else whiten(semantics)
    loaded = components.loadings * np.sqrt(field.explained) * components.scores.std(axis=0)
    transforms = FieldTransforms(
        axes=components.axes,
        shares=field.shares,
        own_share=field.own_share,
        scale=max(float(field.values.std(axis=0).max()), 1e-12),
        rebuilt=_loaded_genes(loaded),
        whitening=whitening,
    )
    return _prepared(transforms, counts, coords, field.values, white, slides)


def field_inputs_like(
    transforms: FieldTransforms,
    counts: sparse.csr_matrix,
    coords: Float[np.ndarray, "spot 2"],
    semantics: Float[np.ndarray, "spot semantic_dim"] | None = None,
) -> FieldInputs:
    """Return another slide as the fitted one's transforms prepare it: its own graphs, nothing learnt of it.

    Parameters
    ----------
    counts
        Raw counts of the genes that the transforms are of, in their order.
    semantics
        Vectors of the same space, where the fitted slide had any.
    """
    assert (semantics is None) == (transforms.whitening is None)
    slides = np.zeros(len(coords), dtype=np.int64)
    graph = _spatial(coords, slides, FIELD_NEIGHBOURS)
    values = smooth_like(transforms.axes.scores(counts), graph, transforms.shares)
    white = None if transforms.whitening is None or semantics is None else transforms.whitening(semantics)
    return _prepared(transforms, counts, coords, values, white, slides)


def lazy_mean(graph: sparse.csr_matrix, own_share: float) -> sparse.csr_matrix:
    """Return the weights that keep `own_share` of a spot and take the rest from its neighbours, evenly."""
    degrees = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    means = sparse.diags((1 - own_share) / np.maximum(degrees, 1)) @ graph
    return sparse.csr_matrix(means + own_share * sparse.identity(graph.shape[0], format="csr"))


def _prepared(
    transforms: FieldTransforms,
    counts: sparse.csr_matrix,
    coords: Float[np.ndarray, "spot 2"],
    field: Vectors,
    white: Vectors | None,
    slides: Int[np.ndarray, " spot"],
) -> FieldInputs:
    values = field / transforms.scale
    graph = _spatial(coords, slides, transforms.n_neighbours)
    view = lazy_mean(graph, transforms.own_share)
    target = sparse.csr_matrix(view @ counts[:, transforms.rebuilt], dtype=np.float32)
    inputs = SlideInputs(
        values=SparseMatrix.from_scipy(target),
        edges=torch.from_numpy(np.stack(graph.nonzero()).astype(np.int64)),
        spatial=SparseMatrix.from_scipy(view),
        feature=propagation(graph_within(slides, lambda rows: _alike(values[rows]))),
        semantics=None if white is None else torch.as_tensor(white, dtype=torch.float32),
        field=torch.as_tensor(values, dtype=torch.float32),
    )
    return FieldInputs(inputs=inputs, genes=GenePriors.from_counts(target), field=field, transforms=transforms)


def _spatial(coords: Float[np.ndarray, "spot 2"], slides: Int[np.ndarray, " spot"], k: int) -> sparse.csr_matrix:
    return graph_within(slides, lambda rows: spatial_graph(coords[rows], kind="knn", k=k))


def _alike(values: Vectors) -> sparse.csr_matrix:
    return symmetric(nearest_spots(values, min(FEATURE_NEIGHBOURS, len(values) - 1)), len(values))


def _loaded_genes(loadings: Float[np.ndarray, "gene component"]) -> Int[np.ndarray, " rebuilt"]:
    """Return the genes that the predictable part of the components loads most."""
    ranked = np.argsort(-(loadings**2).sum(axis=1), kind="stable")
    return np.sort(ranked[:REBUILT_GENES])
