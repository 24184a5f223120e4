"""Semantic vectors to a few numbers of equal variance.

A language model's vectors are nearly the same for all spots; what tells these apart is small beside what they share.
"""

import numpy as np
from jaxtyping import Float
from scipy import linalg
from sklearn.decomposition import PCA

from genesem_train.improved.affine import AffineMap

SEMANTIC_DIM = 32
RIDGE = 3e-7
"""Share of the greatest singular value: what double precision can tell apart in a matrix of products."""
LEAST_SPREAD = 1e-5
"""The same for components that are told from noise; beyond, a spot to come gets 0, the mean of the fitted ones."""


def whiten(
    semantics: Float[np.ndarray, "spot semantic_dim"],
) -> tuple[Float[np.ndarray, "spot dim"], AffineMap]:
    """Return the first 32 principal components of the vectors, each of variance 1, and the map that gives them."""
    vectors = np.asarray(semantics, dtype=np.float64)
    dim = min(SEMANTIC_DIM, min(vectors.shape) - 1)
    principal = PCA(dim, whiten=True, svd_solver="randomized", random_state=0)
    white: Float[np.ndarray, "spot dim"] = principal.fit_transform(vectors)
    return white, AffineMap.about(principal.mean_, _axes(vectors, white, principal))


def _axes(
    vectors: Float[np.ndarray, "spot semantic_dim"], white: Float[np.ndarray, "spot dim"], principal: PCA
) -> Float[np.ndarray, "semantic_dim dim"]:
    """Return the matrix that takes the centred vectors to `white`.

    Scores of a randomised decomposition are not quite the products with its components (2 % apart where the spectrum is
    flat), but they are combinations of the vectors' columns: one ridge regression on what is left gives these.
    """
    centred, spread = vectors - principal.mean_, principal.singular_values_
    told = spread > LEAST_SPREAD * spread[0]
    axes = principal.components_.T * (told / np.where(told, np.sqrt(principal.explained_variance_), 1.0))
    gram = centred.T @ centred
    gram.flat[:: len(gram) + 1] += max(RIDGE * (told * spread).max(), np.finfo(np.float64).tiny) ** 2
    left = white * told - centred @ axes
    mended: Float[np.ndarray, "semantic_dim dim"] = axes + linalg.solve(gram, centred.T @ left, assume_a="pos")
    return mended
