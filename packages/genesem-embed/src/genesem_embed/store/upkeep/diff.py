"""Diff: what one store has and another lacks, by digest and by key."""

from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from genesem_embed.store.keys import as_bytes32

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


def diff(first: "Store", second: "Store") -> dict[str, Any]:
    """Return, as plain JSON values, what only one of two stores has; keys are counted by space."""
    collections = [{f"{info.name}@{info.digest}" for info in store.collections()} for store in (first, second)]
    segments = [set(store.segment_digests()) for store in (first, second)]
    keys = [store.undisturbed(partial(_keys_by_space, store)) for store in (first, second)]
    spaces = sorted(set(keys[0]) | set(keys[1]))
    none = np.empty(0, "V32")
    pairs = {space: [part.get(space, none) for part in keys] for space in spaces}
    vectors = {
        space: {
            "only_first": len(np.setdiff1d(mine, theirs)),
            "only_second": len(np.setdiff1d(theirs, mine)),
            "both": len(np.intersect1d(mine, theirs)),
        }
        for space, (mine, theirs) in pairs.items()
    }
    return {
        "first": first.place,
        "second": second.place,
        "same_vectors": all(not count["only_first"] and not count["only_second"] for count in vectors.values()),
        "vectors": vectors,
        "segments": _sides(*segments),
        "collections": _sides(*collections),
    }


def _sides(first: AbstractSet[str], second: AbstractSet[str]) -> dict[str, list[str]]:
    return {"only_first": sorted(first - second), "only_second": sorted(second - first)}


def _keys_by_space(store: "Store") -> dict[str, np.ndarray[Any, Any]]:
    parts: dict[str, list[np.ndarray[Any, Any]]] = {}
    for segment in store.segments():
        parts.setdefault(segment.manifest.space, []).append(as_bytes32(segment.keys.read()))
    return {space: np.unique(np.concatenate(columns)) for space, columns in parts.items()}
