"""Settings to the network of a published method and to what it sees of a slide; fits and predictions share it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from genesem_train.config import FitConfig
from genesem_train.graphs import graph_within, measured_feature_graph, propagation, spatial_graph
from genesem_train.models.backbone import Backbone, SlideInputs
from genesem_train.models.backbones import backbone_class
from genesem_train.training.fit import make_inputs

Build = Callable[[Int[np.ndarray, " member"]], sparse.csr_matrix]


def make_network(config: FitConfig, n_genes: int, semantic_dim: int | None, n_spots: int) -> Backbone:
    """Return the untrained network of the settings."""
    network = backbone_class(config.model.backbone)
    return network.from_settings(config.model, config.loss, n_genes, semantic_dim, n_spots)


def make_slide_inputs(
    config: FitConfig,
    values: sparse.csr_matrix,
    coords: Float[np.ndarray, "spot 2"],
    semantics: Float[np.ndarray, "spot semantic_dim"] | None,
    slide_of: Int[np.ndarray, " spot"] | None = None,
) -> tuple[SlideInputs, dict[str, float]]:
    """Return what the network sees, and how the graphs came out: `feature_recall` where they are approximate.

    Where `slide_of` tells several slides apart, no edge joins two.
    """
    graph = config.graph
    recalls: list[float] = []

    def spatial_of(rows: Int[np.ndarray, " member"]) -> sparse.csr_matrix:
        return spatial_graph(coords[rows], kind=graph.spatial, radius=graph.radius, k=graph.spatial_k)

    def feature_of(rows: Int[np.ndarray, " member"]) -> sparse.csr_matrix:
        found, recall = measured_feature_graph(values[rows], k=graph.feature_k, method=graph.feature_method)
        if recall is not None:
            recalls.append(recall)
        return found

    spatial = _within(slide_of, len(coords), spatial_of)
    views = backbone_class(config.model.backbone).views
    spatial_weights = feature_weights = None
    if "spatial" in views:
        spatial_weights = propagation(spatial, norm=graph.propagation, self_weight=graph.self_weight)
    if "feature" in views:
        feature_weights = propagation(_within(slide_of, len(coords), feature_of), norm=graph.propagation)
    facts = {"feature_recall": min(recalls)} if recalls else {}
    return make_inputs(values, spatial, spatial_weights, feature_weights, semantics), facts


def _within(slide_of: Int[np.ndarray, " spot"] | None, n_spots: int, build: Build) -> sparse.csr_matrix:
    return build(np.arange(n_spots)) if slide_of is None else graph_within(slide_of, build)
