import numpy as np
import pytest
from scipy import sparse

from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.training.fit import make_inputs


def _inputs(values, coords, semantics):
    spatial, feature = spatial_graph(coords, kind="knn", k=4), feature_graph(values, k=3)
    return make_inputs(values, spatial, propagation(spatial), propagation(feature), semantics)


@pytest.fixture
def slide():
    """Values, coordinates and semantics of forty spots."""
    rng = np.random.default_rng(0)
    values = rng.poisson(0.7, size=(40, 25)) * rng.gamma(2.0, size=25)
    return sparse.csr_matrix(values.astype(np.float32)), rng.uniform(size=(40, 2)), rng.normal(size=(40, 12))


@pytest.fixture
def make_slide_inputs():
    """The function from values, coordinates and semantics to what a network sees."""
    return _inputs


@pytest.fixture
def inputs(slide):
    """What a network sees of the forty spots."""
    return _inputs(*slide)
