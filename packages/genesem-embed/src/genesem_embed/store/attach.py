"""A collection's vectors onto a slide."""

from typing import TYPE_CHECKING

import numpy as np

from genesem_embed.errors import CollectionMissingError, InputError
from genesem_embed.store.files.collection import CollectionInfo

if TYPE_CHECKING:
    from anndata import AnnData

    from genesem_embed.store.store import Store

OBSM_KEY = "X_genesem"
_SHOWN = 5


def attach(store: "Store", slide: "AnnData", collection: CollectionInfo | str | None) -> "AnnData":
    """Return a copy of `slide` with ``obsm["X_genesem"]``, one row per spot or cell.

    Spots are matched by name alone, so that a part of the slide, or one with other counts, gets its vectors: that it is
    the slide that the collection was built from is for the caller to know.
    """
    info = _only(store, slide) if collection is None else store.collection(collection)
    if info.unit == "gene":
        msg = f"collection {info.name} holds one vector per gene, not per spot; genesem-train averages those per spot"
        raise InputError(msg)
    row = {name: position for position, name in enumerate(store.ids(info))}
    absent = [name for name in slide.obs_names if name not in row]
    if absent:
        some = ", ".join(absent[:_SHOWN])
        msg = (
            f"{len(absent)} of {slide.n_obs} spots are not in collection {info.name} ({some}); build it for this slide"
        )
        raise InputError(msg)
    result = slide.copy()
    result.obsm[OBSM_KEY] = store.matrix(info)[np.array([row[name] for name in slide.obs_names], np.intp)]
    return result


def _only(store: "Store", slide: "AnnData") -> CollectionInfo:
    name = slide.uns.get("genesem", {}).get("name")
    found = [info for info in store.collections() if info.unit != "gene" and info.slide.get("name") == name]
    if len(found) != 1:
        listed = ", ".join(f"{info.name}@{info.digest[:12]}" for info in found or store.collections()) or "none"
        which = "a slide without a name (load_slide gives it one)" if name is None else f"a slide called {name}"
        msg = f"{len(found)} collections were built from {which}; name one of: {listed}"
        raise CollectionMissingError(msg)
    return found[0]
