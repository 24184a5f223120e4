"""What the nearest cells of the same image express on average: the context that needs no language model."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree


def neighbour_means(
    values: Float[np.ndarray, "cell marker"],
    coords: Float[np.ndarray, "cell 2"],
    images: Int[np.ndarray, " cell"],
    k: int,
) -> Float[np.ndarray, "cell marker"]:
    """Return the mean values of the `k` nearest other cells of the same image.

    An image with fewer than k + 1 cells gives all its other cells; a cell alone in its image gets its own values.
    """
    means = values.copy()
    for image in np.unique(images):
        rows = np.flatnonzero(images == image)
        count = min(k, len(rows) - 1)
        if count > 0:
            means[rows] = values[rows][_nearest_others(coords[rows], count)].mean(axis=1)
    return means


def _nearest_others(coords: Float[np.ndarray, "cell 2"], k: int) -> Int[np.ndarray, "cell k"]:
    """Return the k nearest other cells; coincident cells never stand for themselves."""
    near = KDTree(coords).query(coords, k=k + 1)[1]
    is_self = near == np.arange(len(coords))[:, None]
    # among coincident cells the query may leave the cell itself out: then its last neighbour makes room
    is_self[~is_self.any(axis=1), -1] = True
    return np.asarray(near[~is_self].reshape(len(coords), k))
