"""Coordinates and expression to edges, and edges to propagation weights.

What enters are coordinates or scaled values; what leaves are sparse graphs: boolean, symmetric, no diagonal, indices
sorted. Every step works on neighbour lists or on row blocks, so nothing ever grows with the square of the spots.
"""

from genesem_train.graphs.edges import graph_within
from genesem_train.graphs.feature import feature_graph, measured_feature_graph, neighbour_recall
from genesem_train.graphs.propagation import propagation
from genesem_train.graphs.spatial import adaptive_radius, nearest_spots, spatial_graph

__all__ = [
    "adaptive_radius",
    "feature_graph",
    "graph_within",
    "measured_feature_graph",
    "nearest_spots",
    "neighbour_recall",
    "propagation",
    "spatial_graph",
]
