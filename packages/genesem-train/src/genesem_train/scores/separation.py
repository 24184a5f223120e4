"""Whether one labelling is nearer the annotation than another, or the tissue at hand cannot tell.

What enters are two labellings, the annotation and where the spots lie; what leaves is the difference of their adjusted
Rand indices with its interval. Neighbouring spots tell nearly the same, so what is drawn with replacement are blocks of
tissue (Künsch 1989), not spots.
"""

import numpy as np
from jaxtyping import Float, Int

from genesem_train.scores.intervals import Interval, draw_units, interval

SPOTS_A_BLOCK = 12
"""At least so many; a slide is cut into 10 to 100 blocks."""
MOST_BLOCKS = 100
FEWEST_BLOCKS = 10


def ari_difference(
    ours: Int[np.ndarray, " spot"],
    theirs: Int[np.ndarray, " spot"],
    annotation: Int[np.ndarray, " spot"],
    coords: Float[np.ndarray, "spot 2"],
    slide_of: Int[np.ndarray, " spot"] | None = None,
) -> Interval:
    """Return the ARI of `ours` minus that of `theirs`, both x 100, with its 95 % interval over blocks of tissue.

    Parameters
    ----------
    annotation
        Codes of the labels; spots below 0 have none and are left out.
    slide_of
        Which slide each spot is of, where there are several: no block spans two.
    """
    known = annotation >= 0
    blocks = tissue_blocks(coords[known], None if slide_of is None else slide_of[known])
    draws = draw_units(int(blocks.max()) + 1)
    whole = np.ones((1, draws.shape[1]), dtype=draws.dtype)
    truth = annotation[known]
    found = [_block_tables(labelling[known], truth, blocks) for labelling in (ours, theirs)]
    (value,), drawn = (_ari(found[0], weights) - _ari(found[1], weights) for weights in (whole, draws))
    return interval(100 * float(value), 100 * drawn)


def tissue_blocks(
    coords: Float[np.ndarray, "spot 2"], slide_of: Int[np.ndarray, " spot"] | None = None
) -> Int[np.ndarray, " spot"]:
    """Return the block of each spot, 0, 1, ...: the tissue halved again and again across its longer side."""
    wanted = int(np.clip(len(coords) // SPOTS_A_BLOCK, FEWEST_BLOCKS, MOST_BLOCKS))
    slides = np.zeros(len(coords), dtype=np.int64) if slide_of is None else slide_of
    parts = [np.flatnonzero(slides == slide) for slide in np.unique(slides)]
    while len(parts) < wanted and max(map(len, parts)) > 1:
        largest = parts.pop(int(np.argmax([len(part) for part in parts])))
        axis = int(np.ptp(coords[largest], axis=0).argmax())
        order = largest[np.argsort(coords[largest, axis], kind="stable")]
        parts += [order[: len(order) // 2], order[len(order) // 2 :]]
    blocks = np.empty(len(coords), dtype=np.int64)
    for number, part in enumerate(parts):
        blocks[part] = number
    return blocks


def _block_tables(
    found: Int[np.ndarray, " spot"], truth: Int[np.ndarray, " spot"], blocks: Int[np.ndarray, " spot"]
) -> Float[np.ndarray, "block domain label"]:
    """Return how many spots of each block have which domain and which label."""
    domains, labels = (np.unique(values, return_inverse=True)[1] for values in (found, truth))
    tables = np.zeros((blocks.max() + 1, domains.max() + 1, labels.max() + 1))
    np.add.at(tables, (blocks, domains, labels), 1)
    return tables


def _ari(
    tables: Float[np.ndarray, "block domain label"], weights: Int[np.ndarray, "draw block"]
) -> Float[np.ndarray, " draw"]:
    """Return the adjusted Rand index (Hubert and Arabie 1985) of every draw of blocks; 1 where both are one group."""
    drawn = np.tensordot(weights.astype(np.float64), tables, axes=1)
    together = _pairs(drawn).sum(axis=(1, 2))
    in_domains, in_labels = (_pairs(drawn.sum(axis=axis)).sum(axis=1) for axis in (2, 1))
    expected = in_domains * in_labels / _pairs(drawn.sum(axis=(1, 2)))
    spread = (in_domains + in_labels) / 2 - expected
    ones = np.isclose(spread, 0)
    index: Float[np.ndarray, " draw"] = np.where(ones, 1.0, (together - expected) / np.where(ones, 1.0, spread))
    return index


def _pairs(counts: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    pairs: Float[np.ndarray, "*any"] = counts * (counts - 1) / 2
    return pairs
