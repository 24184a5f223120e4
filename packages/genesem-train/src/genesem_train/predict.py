"""A fitted network on a slide that it has not seen.

What enters are the new slide's counts and what the fit left behind: its genes and their scales, its weights, and the
centres of its domains. The new slide brings its own graphs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from genesem_train.errors import ConfigError
from genesem_train.models.backbone import Backbone, SlideInputs

TARGET_SUM = 1e4
MAX_VALUE = 10.0


@dataclass(frozen=True, kw_only=True)
class AlignedCounts:
    """Counts of a slide in the order of a model's genes."""

    counts: sparse.csr_matrix
    missing: list[str]
    """Genes of the model that the slide has not; their counts are 0."""


def align_genes(slide: AnnData, genes: Sequence[str]) -> AlignedCounts:
    """Return the slide's counts of `genes`, in their order.

    Raises
    ------
    ConfigError
        When the slide has none of them.
    """
    column = {gene: position for position, gene in enumerate(slide.var_names)}
    missing = [gene for gene in genes if gene not in column]
    if len(missing) == len(genes):
        msg = (
            f"the slide has none of the model's {len(genes)} genes ({', '.join(genes[:5])}, ...), but "
            f"{', '.join(slide.var_names[:5])}, ...: take a slide of the same organism, with gene symbols"
        )
        raise ConfigError(msg)
    found = np.array([gene in column for gene in genes])
    counts = sparse.csc_matrix(slide.X, dtype=np.float32)[:, [column[gene] for gene in genes if gene in column]]
    place = sparse.csr_matrix(
        (np.ones(found.sum(), np.float32), (np.arange(found.sum()), np.flatnonzero(found))),
        shape=(int(found.sum()), len(genes)),
    )
    return AlignedCounts(counts=sparse.csr_matrix(counts @ place), missing=missing)


def gene_scales(counts: sparse.csr_matrix, *, logarithm: bool = False) -> Float[np.ndarray, " gene"]:
    """Return each gene's standard deviation after division by library, as preprocessing divides by it."""
    values = _normalised(counts, logarithm=logarithm)
    means = np.asarray(values.mean(axis=0)).ravel()
    squares = np.asarray(values.multiply(values).sum(axis=0)).ravel()
    n_spots = values.shape[0]
    deviations = np.sqrt(np.maximum(squares - n_spots * means**2, 0) / max(n_spots - 1, 1))
    return np.where(deviations > 0, deviations, 1.0)


def scale_like(
    counts: sparse.csr_matrix, scales: Float[np.ndarray, " gene"], *, logarithm: bool = False
) -> sparse.csr_matrix:
    """Return the values of new counts on the scales of the slide that the model was fitted to."""
    values = sparse.csr_matrix(_normalised(counts, logarithm=logarithm) @ sparse.diags(1 / scales), dtype=np.float32)
    np.minimum(values.data, MAX_VALUE, out=values.data)
    return values


@torch.no_grad()
def predict_readout(
    network: Backbone, weights: Mapping[str, Tensor], inputs: SlideInputs
) -> Float[np.ndarray, "spot dim"]:
    """Return what is clustered of a new slide, from a network with the widths that `weights` were fitted in."""
    network.load_state_dict(dict(weights))
    network.eval()
    return network.readout(inputs, network(inputs)).numpy()


def domain_centres(
    readout: Float[np.ndarray, "spot dim"], domains: Int[np.ndarray, " spot"]
) -> Float[np.ndarray, "domain dim"]:
    """Return the mean readout of every domain 0, 1, ..."""
    return np.stack([readout[domains == domain].mean(axis=0) for domain in range(int(domains.max()) + 1)])


def nearest_domains(
    readout: Float[np.ndarray, "spot dim"], centres: Float[np.ndarray, "domain dim"]
) -> Int[np.ndarray, " spot"]:
    """Return the domain whose centre is nearest to each spot."""
    squares = (centres**2).sum(axis=1) - 2 * readout @ centres.T
    nearest: Int[np.ndarray, " spot"] = squares.argmin(axis=1)
    return nearest


def _normalised(counts: sparse.csr_matrix, *, logarithm: bool) -> sparse.csr_matrix:
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    values = sparse.csr_matrix(sparse.diags(TARGET_SUM / np.where(library > 0, library, TARGET_SUM)) @ counts)
    if logarithm:
        np.log1p(values.data, out=values.data)
    return values
