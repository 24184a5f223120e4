"""Collection to matrix: the only reader of the store.

What enters is a slide and an open store; what leaves is one vector per spot, aligned by spot id, and the identity of
the collection that it came from. A slide that differs from the one the collection was built from is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from anndata import AnnData
from jaxtyping import Float
from scipy import sparse

from genesem_embed.datasets import PreprocessOptions, fingerprint, preprocess, spot_genes
from genesem_embed.store import CollectionInfo, CollectionMissingError, Store
from genesem_train.errors import ConfigError, SlideMismatchError

PAPER_VARIANCE = 0.85
"""Variance of the paper's "Random Emb." ablation (page 6)."""

UNRELATED_RECIPE = "unrelated-words"
"""Whose texts stand in for those of genes: as distinct, without biology."""


@dataclass(frozen=True, kw_only=True)
class Semantics:
    """One vector per spot, and where it comes from."""

    matrix: Float[np.ndarray, "spot dim"]
    collection: str | None = None
    """Name and digest, as ``name@digest``."""
    space: str | None = None
    model: str | None = None


def random_semantics(n_spots: int, dim: int, seed: int) -> Semantics:
    """Return normal vectors of mean 0 and variance 0.85, the paper's "Random Emb." ablation."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(0.0, np.sqrt(PAPER_VARIANCE), size=(n_spots, dim)).astype(np.float32)
    return Semantics(matrix=matrix)


def join_semantics(parts: Sequence[Semantics]) -> Semantics:
    """Return the vectors of several slides as those of one.

    Raises
    ------
    ConfigError
        When they are of different spaces.
    """
    if len(parts) == 1:
        return parts[0]
    spaces = {part.space for part in parts}
    if len(spaces) > 1:
        msg = f"the slides' vectors are of {len(spaces)} spaces; expected one: choose it with --space"
        raise ConfigError(msg)
    collections = ", ".join(str(part.collection) for part in parts)
    return replace(parts[0], matrix=np.concatenate([part.matrix for part in parts]), collection=collections)


def stored_semantics(
    store: Store,
    slide: AnnData,
    spots: AnnData,
    *,
    recipe: str,
    top_genes: int,
    space: str | None = None,
    collection: str | None = None,
    dataset: str = "FILE.h5ad",
) -> Semantics:
    """Return the stored vectors of `spots`.

    Parameters
    ----------
    slide
        The slide as loaded: its fingerprint must be the collection's.
    spots
        The spots to return vectors for, in their order; a part of `slide`.
    recipe, space, collection
        Which collection: its recipe, the first characters of its space id and of its digest.
    top_genes
        Per-spot collections must have been built with so many genes; per-gene vectors are averaged over as many.
    dataset
        How the user named the slide, for the command that an error prints.

    Raises
    ------
    CollectionMissingError
        Nothing is stored for this slide, recipe and space; the build command to run is in the message.
    SlideMismatchError
        The store knows a slide of this name with other spots, genes or counts.
    ConfigError
        Several collections fit.
    """
    chosen = find_collection(
        store, slide, recipe=recipe, top_genes=top_genes, space=space, collection=collection, dataset=dataset
    )
    vectors = np.asarray(store.matrix(chosen), dtype=np.float32)
    ids = store.ids(chosen)
    matrix = _align(vectors, ids, spots) if chosen.unit == "spot" else _average(vectors, ids, slide, spots, top_genes)
    return Semantics(
        matrix=matrix,
        collection=f"{chosen.name}@{chosen.digest}",
        space=chosen.space.id,
        model=chosen.space.model,
    )


def collections_of(found: Iterable[CollectionInfo], mark: str) -> list[CollectionInfo]:
    """Return the collections of the slide with the fingerprint `mark`, each once.

    The same slide built under two names gives two collections of the same ids and keys: one is as good as the other.
    """
    return list({(i.space.id, i.table_sha256): i for i in found if i.slide["fingerprint"] == mark}.values())


def find_collection(
    store: Store,
    slide: AnnData,
    *,
    recipe: str,
    top_genes: int,
    space: str | None = None,
    collection: str | None = None,
    dataset: str = "FILE.h5ad",
) -> CollectionInfo:
    """Return the one collection that fits; parameters and errors as of `stored_semantics`."""
    mark = fingerprint(slide)
    found = [
        info
        for info in store.find_collections(recipe=recipe, space=space)
        if info.digest.startswith(collection or "") and _fits(info.recipe, top_genes, explicit=collection is not None)
    ]
    mine = collections_of(found, mark)
    if len(mine) == 1:
        return mine[0]
    if len(mine) > 1:
        listed = "; ".join(f"{i.digest[:12]} space {i.space.id[:12]} ({i.space.model})" for i in mine)
        msg = f"{len(mine)} collections fit this slide: {listed}; choose with --space or --collection"
        raise ConfigError(msg)
    name = slide.uns["genesem"]["name"]
    if namesakes := [i for i in found if i.slide["name"] == name and i.slide["fingerprint"] != mark]:
        msg = (
            f"the slide {name} is not the one that {namesakes[0].name} was built from: fingerprint {mark[:12]} here, "
            f"{str(namesakes[0].slide['fingerprint'])[:12]} there; use that slide, or build this one: "
            f"{build_command(store, dataset, recipe, top_genes)}"
        )
        raise SlideMismatchError(msg)
    wanted = f"recipe {recipe}, top {top_genes} genes" + (f", space {space}" if space else "")
    others = [info for info in store.collections() if info.slide["fingerprint"] == mark]
    listed = ", ".join(_describe(info) for info in others) or "nothing of this slide"
    msg = (
        f"nothing is stored for slide {name} ({wanted}); found {listed}; "
        f"run: {build_command(store, dataset, recipe, top_genes)}"
    )
    raise CollectionMissingError(msg)


def _fits(recipe: Mapping[str, object], top_genes: int, *, explicit: bool) -> bool:
    """Tell whether a per-spot collection lists as many genes as asked; a collection chosen by digest always fits."""
    return explicit or recipe.get("top_genes", top_genes) == top_genes


def _describe(info: CollectionInfo) -> str:
    top = f" top {info.recipe['top_genes']}" if "top_genes" in info.recipe else ""
    return f"{info.recipe['name']}{top} in space {info.space.id[:12]}"


def build_command(store: Store, dataset: str, recipe: str, top_genes: int) -> str:
    """Return the command that stores what is missing."""
    return (
        f"genesem-embed build --dataset {dataset} --store {store.place} --recipe {recipe} --top-genes {top_genes} "
        "[--model minilm]"
    )


def _align(vectors: Float[np.ndarray, "id dim"], ids: list[str], spots: AnnData) -> Float[np.ndarray, "spot dim"]:
    row = {name: position for position, name in enumerate(ids)}
    return vectors[[row[name] for name in spots.obs_names]]


def _average(
    vectors: Float[np.ndarray, "id dim"], ids: list[str], slide: AnnData, spots: AnnData, top_genes: int
) -> Float[np.ndarray, "spot dim"]:
    """Return the mean vector of each spot's top genes (paper, "Discussion on Gene Texts").

    Genes without a text have no vector and are left out. A spot none of whose top genes has one gets the mean of all
    spots, which centring turns into no information.
    """
    processed = preprocess(slide, PreprocessOptions())[spots.obs_names]
    chosen = spot_genes(processed, top_genes)
    row = {name: position for position, name in enumerate(ids)}
    column = np.array([row.get(name, -1) for name in processed.var_names])[chosen.indices]
    spot = np.repeat(np.arange(processed.n_obs), np.diff(chosen.indptr))[column >= 0]
    picks = sparse.csr_matrix(
        (np.ones(len(spot), np.float32), (spot, column[column >= 0])), shape=(processed.n_obs, len(ids))
    )
    counts = np.asarray(picks.sum(axis=1)).ravel()
    means = (picks @ vectors) / np.maximum(counts, 1)[:, None]
    means[counts == 0] = means[counts > 0].mean(axis=0)
    return np.asarray(means, dtype=np.float32)
