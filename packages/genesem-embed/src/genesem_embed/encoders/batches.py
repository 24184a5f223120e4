"""Texts of similar length into batches under a token budget."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def length_batches(lengths: npt.NDArray[np.integer], budget: int) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the positions of every text once, longest first, padded batches of at most `budget` tokens.

    A text that is longer than the budget is a batch of its own. The longest come first so that a device whose memory
    is too small shows it at once.
    """
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    start = 0
    while start < len(order):
        width = max(int(lengths[order[start]]), 1)
        n_rows = max(budget // width, 1)
        yield order[start : start + n_rows]
        start += n_rows
