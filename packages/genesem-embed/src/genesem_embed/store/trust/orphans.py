"""Orphans: what a store holds and nothing in it needs. No fault: `verify` notes them, `gc` removes the old ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genesem_embed.store.files.layout import COLLECTIONS, HIDDEN, REFS, SPACES, TMP
from genesem_embed.store.index.live import holders
from genesem_embed.store.keys import as_bytes32
from genesem_embed.store.sharing.quarantine import PULLED
from genesem_embed.store.sharing.refs import parse_ref

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


def unreached(store: "Store") -> list[str]:
    """Return the segments from which no reader of a collection or ref takes a vector."""
    named = {digest for path in (store.root / REFS).glob("*.json") for digest in _listed(path)}
    keys = [as_bytes32(store.keys(info)) for info in store.collections()]
    wanted = np.unique(np.concatenate([np.empty(0, "V32"), *keys]))
    segments = store.segments()
    needed = {segment.digest for segment in holders(segments, wanted)} | named
    return [segment.digest for segment in segments if segment.digest not in needed]


def leftovers(root: Path) -> Iterator[Path]:
    """Yield what lies under ``tmp/`` and collections' tables whose JSON never came."""
    for path in sorted((root / TMP).glob("*")):
        if path.stem != HIDDEN:
            yield from sorted(path.iterdir()) if path.name == PULLED else [path]
    for path in sorted((root / COLLECTIONS).glob("*/*.parquet")):
        if not path.with_suffix(".json").exists():
            yield path


def unused_spaces(store: "Store") -> list[str]:
    """Return the spaces that no segment and no collection belongs to."""
    used = {segment.manifest.space for segment in store.segments()} | {info.space.id for info in store.collections()}
    return [path.stem for path in sorted((store.root / SPACES).glob("*.json")) if path.stem not in used]


def _listed(path: Path) -> tuple[str, ...]:
    return parse_ref(path.read_bytes(), path.stem, str(path)).segments
