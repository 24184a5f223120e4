"""Cells out of images: the mean of every channel over each cell's mask, its centre and its area."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of one image, in the order of their mask numbers."""

    numbers: npt.NDArray[np.int64]
    centres: npt.NDArray[np.float64]
    """x and y in pixels, (cell, 2)."""
    areas: npt.NDArray[np.int64]
    means: npt.NDArray[np.float32]
    """(cell, channel)."""


def measure_cells(mask: npt.NDArray[np.integer], stack: npt.NDArray[np.generic]) -> Cells:
    """Return what the channels of `stack` hold under each cell of `mask`.

    Parameters
    ----------
    mask
        (y, x): 0 is background, every other number one cell.
    stack
        (channel, y, x).
    """
    assert mask.shape == stack.shape[1:], f"mask {mask.shape} and stack {stack.shape}"
    numbers, cell_of = np.unique(mask, return_inverse=True)
    cell_of = cell_of.ravel()
    areas = np.bincount(cell_of)
    rows, columns = np.divmod(np.arange(mask.size), mask.shape[1])
    sums = [np.bincount(cell_of, weights=channel.ravel()) for channel in stack]
    centres = np.column_stack([np.bincount(cell_of, weights=place) for place in (columns, rows)]) / areas[:, None]
    means = np.column_stack(sums) / areas[:, None]
    real = numbers != 0
    return Cells(
        numbers=numbers[real].astype(np.int64),
        centres=centres[real],
        areas=areas[real],
        means=means[real].astype(np.float32),
    )
