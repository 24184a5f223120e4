"""How unlike or how far apart cells are, as exact numbers: the same bits for any block size, thread count and machine.

Vectors are put on a grid of integers so fine that it changes no rank that data support, and so coarse that sums of
products stay whole numbers below 2^53. Floating-point addition is then exact, whatever its order.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.options import Distance, Similarity

Matrix = npt.NDArray[np.float64]
_GRID = 2.0**20


@dataclass(frozen=True, kw_only=True)
class Points:
    """The cells of one image, ready to be compared: whole numbers, and what to compare them by."""

    vectors: Matrix
    squares: npt.NDArray[np.float64] | None
    """Squared lengths for Euclidean distance; None for the angle between vectors."""
    absolute: bool = False
    """Sum of absolute differences."""


def make_points(vectors: Matrix, metric: Similarity | Distance) -> Points:
    """Return `vectors` prepared for `metric`; a vector of zeros is at a right angle to every other."""
    if metric == "pearson":
        vectors = vectors - vectors.mean(axis=1, keepdims=True)
    if metric in {"cosine", "pearson"}:
        length = np.sqrt((vectors**2).sum(axis=1, keepdims=True))
        return Points(vectors=np.round(vectors / np.where(length > 0, length, 1.0) * _GRID), squares=None)
    centred = vectors - (vectors.min(axis=0) + vectors.max(axis=0)) / 2
    widest = np.abs(centred).max(initial=0)
    whole = np.round(centred * (_GRID / widest if widest > 0 else 1.0))
    return Points(vectors=whole, squares=(whole**2).sum(axis=1), absolute=metric == "l1")


def block_costs(points: Points, rows: npt.NDArray[np.intp]) -> Matrix:
    """Return the cost of every cell for each of `rows`: low is similar or near."""
    mine = points.vectors[rows]
    if points.absolute:
        costs = np.zeros((len(rows), len(points.vectors)))
        for column in range(points.vectors.shape[1]):
            costs += np.abs(mine[:, column, None] - points.vectors[:, column])
        return costs
    costs = mine @ points.vectors.T
    costs *= -1
    if points.squares is not None:
        costs *= 2
        costs += points.squares
        costs += points.squares[rows, None]
    return costs


def pair_costs(points: Points, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the cost of each pair of cells."""
    a, b = points.vectors[left], points.vectors[right]
    if points.absolute:
        return np.asarray(np.abs(a - b).sum(axis=1))
    products = np.einsum("ij,ij->i", a, b)
    if points.squares is None:
        return np.asarray(-products)
    return np.asarray(points.squares[left] + points.squares[right] - 2 * products)
