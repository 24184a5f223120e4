"""Which markers a cell shows at all; the others have no rank worth writing."""

import numpy as np
import numpy.typing as npt


def detected_markers(
    values: npt.NDArray[np.floating], image: npt.NDArray[np.intp], training: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Return, for each cell and marker, whether it is above the marker's floor.

    Of intensities the floor is zero. Values that were standardised before have lost their zero; there, the lowest value
    of a marker in an image is its floor if several cells share it. Training and test cells of one image each have their
    own floor, so that neither sees the other.
    """
    if values.min(initial=0) >= 0:
        return np.asarray(values > 0)
    group = image if training is None else 2 * image + training
    above = np.ones(values.shape, dtype=bool)
    for number in np.unique(group):
        rows = np.flatnonzero(group == number)
        lowest = values[rows].min(axis=0)
        at_floor = values[rows] == lowest
        above[rows] = ~(at_floor & (at_floor.sum(axis=0) > 1))
    return above
