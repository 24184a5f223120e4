"""Live: which segments readers need; the rest repeats them or belongs to nobody."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import as_bytes32, words


def holders(segments: Sequence[Segment], wanted: npt.NDArray[np.void] | None = None) -> list[Segment]:
    """Return the segments, in their order, from which the vectors of all keys can be read.

    For each key that is the row with the lowest hash; where several segments hold it, the largest of them.

    Parameters
    ----------
    wanted
        Only these keys count; None means all.
    """
    if not segments:
        return []
    keys = np.concatenate([segment.keys.read() for segment in segments])
    hashes = np.concatenate([segment.row_sha.read() for segment in segments])
    rows = [segment.manifest.rows for segment in segments]
    number = np.repeat(np.arange(len(segments)), rows)
    if wanted is not None:
        kept = np.isin(as_bytes32(keys), wanted)
        keys, hashes, number = keys[kept], hashes[kept], number[kept]
    largest_first = np.argsort(np.argsort([-n for n in rows], kind="stable"))
    order = np.lexsort([largest_first[number], *words(hashes)[::-1], *words(keys)[::-1]])
    values = as_bytes32(keys[order])
    first = np.ones(len(order), bool)
    first[1:] = values[1:] != values[:-1]
    needed = set(number[order[first]].tolist())
    return [segment for at, segment in enumerate(segments) if at in needed]
