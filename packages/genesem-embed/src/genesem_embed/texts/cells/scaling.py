"""Per-marker scaling, without which the brightest channel leads every sentence.

What is fitted is fitted on training cells, or within an image; a test image can change no training text.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.options import Scaling

Values = npt.NDArray[np.float64]
Fitted = Literal["raw", "zscore", "p99"]
_DECIMALS = 6
"""Scaled values are rounded, so that the last bits of a sum never decide a rank."""


def resolve_scaling(values: npt.NDArray[np.floating], scaling: Scaling) -> Fitted:
    """Return what `auto` stands for: `raw` where values were standardised before (one is negative), else `zscore`."""
    if scaling != "auto":
        return scaling
    return "raw" if values.min(initial=0) < 0 else "zscore"


def scale(values: npt.NDArray[np.floating], scaling: Fitted, fit_on: npt.NDArray[np.bool_] | None = None) -> Values:
    """Return the scaled values, one column per marker.

    Parameters
    ----------
    fit_on
        Cells that mean and deviation, or the percentile, are taken from; None is all of `values`.
    """
    values = np.asarray(values, dtype=np.float64)
    if scaling == "zscore":
        values = np.arcsinh(values)
    reference = values if fit_on is None else values[fit_on]
    if scaling == "zscore":
        deviation = reference.std(axis=0)
        values = (values - reference.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    elif scaling == "p99":
        top = np.percentile(reference, 99, axis=0)
        values = np.minimum(values / np.where(top > 0, top, 1.0), 1.0)
    return np.round(values, _DECIMALS)


def scale_within(
    values: npt.NDArray[np.floating],
    scaling: Fitted,
    image: npt.NDArray[np.intp],
    training: npt.NDArray[np.bool_] | None = None,
) -> Values:
    """Return the values scaled within each image; `image` numbers the image of each cell.

    Where an image has training and test cells, its training cells alone are fitted on.
    """
    scaled = np.empty(values.shape, dtype=np.float64)
    for number in range(int(image.max(initial=-1)) + 1):
        rows = image == number
        fit_on = None if training is None or not training[rows].any() else training[rows]
        scaled[rows] = scale(values[rows], scaling, fit_on)
    return scaled
