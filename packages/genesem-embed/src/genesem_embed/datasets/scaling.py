"""Counts to values: what every preprocessing does last, and prediction does to a slide that a fit has not seen.

Nothing is centred, so zeros stay zeros. Sums run in one fixed order, whatever the number of threads.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genesem_embed.datasets.options import Scaling

TARGET_SUM = 1e4
MAX_VALUE = 10.0


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """Values, and what makes values of another slide alike."""

    values: sparse.csr_matrix
    """float32, as sparse as the counts."""
    scales: npt.NDArray[np.float64]
    """What each gene was divided by; 1 for a gene that does not vary, and for every gene where none is scaled."""


def scale_counts(counts: sparse.csr_matrix, scaling: Scaling, scales: npt.NDArray[np.float64] | None = None) -> Scaled:
    """Return counts per 10,000 of a spot, and what `scaling` makes of them.

    `paper` ends there (SemST, equation 15), `log1p` at their logarithm. `released` and `log1p-scaled` then divide every
    gene by its standard deviation and clip at 10 (`scanpy.pp.scale(zero_center=False, max_value=10)`).

    Parameters
    ----------
    counts
        Spots by genes, in CSR; a spot without counts stays a row of zeros.
    scales
        What to divide the genes by, of the slide that a model was fitted to; None takes their deviations here.
    """
    values = per_ten_thousand(counts)
    if scaling in ("log1p", "log1p-scaled"):
        np.log1p(values.data, out=values.data)
    if scaling in ("paper", "log1p"):
        return Scaled(values=values, scales=np.ones(counts.shape[1]))
    scales = _deviations(values) if scales is None else scales
    values.data /= scales[values.indices].astype(np.float32)
    np.minimum(values.data, MAX_VALUE, out=values.data)
    return Scaled(values=values, scales=scales)


def per_ten_thousand(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return every spot's counts divided by their sum, times 10,000."""
    spot = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    sums = np.bincount(spot, weights=counts.data, minlength=counts.shape[0]) / TARGET_SUM
    data = counts.data / np.where(sums > 0, sums, 1.0)[spot]
    return sparse.csr_matrix((data.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)


def _deviations(values: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    n_spots, n_genes = values.shape
    means = np.bincount(values.indices, weights=values.data, minlength=n_genes) / n_spots
    squares = (values.data - means[values.indices]) ** 2
    n_zeros = n_spots - np.bincount(values.indices, minlength=n_genes)
    total = np.bincount(values.indices, weights=squares, minlength=n_genes) + n_zeros * means**2
    deviations = np.sqrt(total / max(n_spots - 1, 1))
    return np.where(deviations > 0, deviations, 1.0)
