"""Equal key, different bytes: another batch or machine encoded the text again; the cosine says how far apart."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import as_bytes32

SUSPICIOUS_COSINE = 0.999
"""Below it the two vectors are hardly the same text in the same space."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A key that two segments store with different vectors."""

    key: str
    segments: tuple[str, str]
    cosine: float

    @property
    def suspicious(self) -> bool:
        """Whether the vectors differ by more than batches and kernels explain."""
        return not self.cosine >= SUSPICIOUS_COSINE


def conflict_words(conflicts: Sequence[Conflict]) -> list[str]:
    """Return the line that tells of conflicts; nothing where there are none."""
    if not conflicts:
        return []
    bad, lowest = sum(one.suspicious for one in conflicts), min(one.cosine for one in conflicts)
    return [
        f"{len(conflicts)} keys have different vectors (lowest cosine {lowest:.6f}, {bad} under {SUSPICIOUS_COSINE}); "
        "the lowest row hash is read"
    ]


def conflict_facts(conflicts: Sequence[Conflict]) -> list[dict[str, object]]:
    """Return conflicts as plain JSON values: keys, segments, cosine, and whether it is suspicious."""
    return [{**asdict(one), "suspicious": one.suspicious} for one in conflicts]


def find_conflicts(segments: Sequence[Segment]) -> list[Conflict]:
    """Return every key that is stored again with other bytes, once for each further segment that holds it."""
    if len(segments) < 2:
        return []
    keys = np.concatenate([as_bytes32(segment.keys.read()) for segment in segments])
    number = np.repeat(np.arange(len(segments)), [segment.manifest.rows for segment in segments])
    row = np.concatenate([np.arange(segment.manifest.rows) for segment in segments])
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    found = []
    for first, second in zip(order[same].tolist(), order[same + 1].tolist(), strict=True):
        pair = [(segments[number[at]], int(row[at])) for at in (first, second)]
        cosine = _cosine_if_different(pair)
        if cosine is not None:
            digests = (pair[0][0].digest, pair[1][0].digest)
            found.append(Conflict(key=keys[first].tobytes().hex(), segments=digests, cosine=cosine))
    return found


def _cosine_if_different(pair: Sequence[tuple[Segment, int]]) -> float | None:
    a, b = (segment.vectors.read_row(row) for segment, row in pair)
    if a.tobytes() == b.tobytes():
        return None
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), np.finfo(np.float64).tiny))
