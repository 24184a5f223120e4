"""Compact: many small segments into few. The old ones stay until `gc` removes them, so no reader is disturbed."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genesem_embed.store.files.rows import Rows, lowest_rows
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.files.texts_table import read_texts
from genesem_embed.store.index.live import holders

if TYPE_CHECKING:
    from genesem_embed.store.store import Store

TARGET_ROWS = 65_536
TARGET_BYTES = 512 * 2**20
"""A compacted segment is held in memory while it is made."""


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What became of the small segments."""

    n_before: int
    n_after: int
    n_rows: int
    segments: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)


def compact(store: "Store", target_rows: int = TARGET_ROWS) -> Compacted:
    """Return what was joined: per space, segments of under half of `target_rows` into ones of up to so many rows."""
    store.in_place()
    return store.undisturbed(lambda: _compact(store, target_rows))


def _compact(store: "Store", target_rows: int) -> Compacted:
    groups = list(_groups(store, target_rows))
    made = [store.publish_rows(group[0].manifest.space, _join(group), _provenance(group)) for group in groups]
    return Compacted(
        n_before=sum(map(len, groups)),
        n_after=len(made),
        n_rows=sum(store.segment(digest).manifest.rows for digest in made),
        segments=tuple(made),
    )


def _groups(store: "Store", target_rows: int) -> Iterator[list[Segment]]:
    """Yield the segments to join: two or more of one space, none of which others replace already."""
    open_groups: dict[str, list[Segment]] = {}
    for segment in holders(store.segments()):
        facts = segment.manifest
        limit = max(2, min(target_rows, TARGET_BYTES // (facts.dim * np.dtype(facts.dtype).itemsize)))
        if facts.rows > limit // 2:
            continue
        group = open_groups.setdefault(facts.space, [])
        if sum(member.manifest.rows for member in group) + facts.rows > limit:
            yield group
            group = open_groups[facts.space] = []
        group.append(segment)
    yield from (group for group in open_groups.values() if len(group) > 1)


def _join(group: Sequence[Segment]) -> Rows:
    tables = [read_texts(segment.texts_path, segment.manifest.rows) for segment in group]
    n = sum(segment.manifest.rows for segment in group)
    return lowest_rows(
        Rows(
            order=np.arange(n),
            keys=np.concatenate([segment.keys.read() for segment in group]),
            vectors=np.concatenate([segment.vectors.read() for segment in group]),
            row_sha=np.concatenate([segment.row_sha.read() for segment in group]),
            texts=[text for texts, _ in tables for text in texts],
            n_tokens=np.concatenate([n_tokens for _, n_tokens in tables]),
        )
    )


def _provenance(group: Sequence[Segment]) -> dict[str, Any]:
    return {"compacted_from": {segment.digest: segment.provenance() for segment in group}}
