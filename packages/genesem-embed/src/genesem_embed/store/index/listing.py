"""What is in a store, as plain JSON values: totals, and one row per thing."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from genesem_embed.store.files.layout import VERSION

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


def describe(store: "Store") -> dict[str, Any]:
    """Return the totals of a store, by space and by collection; stored rows count, also where a key is stored twice."""
    vectors: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    segments: Counter[str] = Counter()
    for facts in (segment.manifest for segment in store.segments()):
        segments[facts.space] += 1
        vectors[facts.space] += facts.rows
        sizes[facts.space] += facts.size
    spaces = [
        {
            "id": key,
            "model": space.model,
            "dim": space.dim,
            "precision": space.precision,
            "n_segments": segments[key],
            "n_vectors": vectors[key],
            "bytes": sizes[key],
        }
        for key, space in store.spaces().items()
    ]
    collections = [
        {
            "name": info.name,
            "digest": info.digest,
            "unit": info.unit,
            "recipe": info.recipe.get("name"),
            "model": info.space.model,
            "space": info.space.id,
            "slide": info.slide.get("name"),
            "n": info.n,
        }
        for info in store.collections()
    ]
    return {
        "store": store.place,
        "format": VERSION,
        "n_segments": segments.total(),
        "n_vectors": vectors.total(),
        "bytes": sizes.total(),
        "spaces": spaces,
        "collections": collections,
    }


def rows(store: "Store") -> list[dict[str, Any]]:
    """Return one row per space, collection and segment: its kind, name, number of rows and bytes."""
    segments = store.segments()
    listed = [
        {
            "kind": "space",
            "name": key,
            "about": space.model,
            "rows": sum(s.manifest.rows for s in segments if s.manifest.space == key),
            "bytes": len(space.to_json()),
        }
        for key, space in store.spaces().items()
    ]
    listed += [
        {
            "kind": "collection",
            "name": f"{info.name}@{info.digest}",
            "about": f"{info.recipe.get('name')} of {info.slide.get('name')}",
            "rows": info.n,
            "bytes": info.table_size,
        }
        for info in store.collections()
    ]
    listed += [
        {
            "kind": "segment",
            "name": s.digest,
            "about": f"space {s.manifest.space[:12]}",
            "rows": s.manifest.rows,
            "bytes": s.manifest.size,
        }
        for s in segments
    ]
    return listed
