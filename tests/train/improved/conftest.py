import numpy as np
import pytest
from scipy import sparse


@pytest.fixture
def slide():
    """Counts and coordinates of two hundred spots in two halves."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(200, 2))
    kinds = rng.gamma(1.0, size=(2, 50))
    rates = kinds[(coords[:, 0] > 0.5).astype(int)] * rng.gamma(8.0, 0.2, size=(200, 1))
    return sparse.csr_matrix(rng.poisson(rates).astype(np.float32)), coords
