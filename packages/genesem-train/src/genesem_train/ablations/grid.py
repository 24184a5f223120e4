"""The fits of an ablation: what each changes in the settings, and which texts or encoders the store lacks for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, get_args

from genesem_embed.store import CollectionInfo
from genesem_train.config import Fusion
from genesem_train.errors import ConfigError
from genesem_train.semantics import UNRELATED_RECIPE

WITHOUT = "none"
"""The variant without semantics, which every other is compared with."""
WHOLE = "as configured"
TABLES = ("fusion", "semantics", "encoder", "top-genes", "texts")
"""The paper's ablations: how semantics enter, which semantics, by which model, from how many genes, of which texts."""
TOP_GENES = (5, 10, 20, 30, 50)
TEXTS = ("spot-symbols", "gene-summaries")
DIGEST = 12


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One row of the table: what it changes in `[model]` and in `[semantics]`."""

    name: str
    table: str
    model: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    semantics: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The variants that can be fitted, and recipe and genes of the builds that others need."""

    variants: list[Variant]
    missing: dict[str, tuple[str, int]]
    """Name of a variant, and the recipe and number of genes that nothing is stored for."""


def make_grid(
    base: CollectionInfo, stored: Iterable[CollectionInfo], *, fusion: str, top_genes: int, tables: Sequence[str]
) -> Grid:
    """Return the variants around one collection of a slide; each changes one thing.

    Parameters
    ----------
    base
        The collection of the settings as they are.
    stored
        All collections of the slide.
    fusion, top_genes
        Of the settings as they are.
    tables
        Which of `TABLES`.

    Raises
    ------
    ConfigError
        When a table has another name.
    """
    if unknown := set(tables) - set(TABLES):
        msg = f"no ablation is called {', '.join(sorted(unknown))}; expected some of {', '.join(TABLES)}: set --tables"
        raise ConfigError(msg)
    stored = list(stored)
    own = {"space": base.space.id, "collection": base.digest[:DIGEST]}
    variants = [
        Variant(name=WITHOUT, table="", model={"fusion": "none"}, semantics={"kind": "none"}),
        Variant(name=WHOLE, table="", semantics=own),
    ]
    missing: dict[str, tuple[str, int]] = {}
    if "fusion" in tables:
        others = [name for name in get_args(Fusion) if name not in ("none", fusion)]
        variants += [Variant(name=f"fusion {n}", table="fusion", model={"fusion": n}, semantics=own) for n in others]
    if "semantics" in tables:
        variants.append(Variant(name="random", table="semantics", semantics={**own, "kind": "random"}))
        _add_unrelated(variants, missing, base, stored, top_genes)
    if "encoder" in tables:
        variants += [
            Variant(name=f"encoder {one.space.model} {one.space.id[:8]}", table="encoder", semantics=chosen(one))
            for one in stored
            if _recipe(one) == _recipe(base) and one.space.id != base.space.id and _lists(one, top_genes)
        ]
    if "top-genes" in tables:
        _add_top_genes(variants, missing, base, stored, top_genes)
    if "texts" in tables:
        _add_texts(variants, missing, base, stored, top_genes)
    return Grid(variants=_named_apart(variants), missing=missing)


def chosen(info: CollectionInfo) -> dict[str, Any]:
    """Return the settings that choose a collection."""
    found = {"recipe": _recipe(info), "space": info.space.id, "collection": info.digest[:DIGEST]}
    return found | ({"top_genes": int(str(info.recipe["top_genes"]))} if "top_genes" in info.recipe else {})


def _add_unrelated(
    variants: list[Variant],
    missing: dict[str, tuple[str, int]],
    base: CollectionInfo,
    stored: list[CollectionInfo],
    top_genes: int,
) -> None:
    for one in stored:
        if _recipe(one) == UNRELATED_RECIPE and one.space.id == base.space.id and _lists(one, top_genes):
            settings = {**chosen(one), "kind": "unrelated"}
            variants.append(Variant(name="unrelated", table="semantics", semantics=settings))
            return
    missing["unrelated"] = (UNRELATED_RECIPE, top_genes)


def _add_top_genes(
    variants: list[Variant],
    missing: dict[str, tuple[str, int]],
    base: CollectionInfo,
    stored: list[CollectionInfo],
    top_genes: int,
) -> None:
    """Add each number of genes: per-spot texts as far as they are stored, means of per-gene vectors as wished."""
    same = [one for one in stored if _recipe(one) == _recipe(base) and one.space.id == base.space.id]
    if base.unit != "spot":
        own = chosen(base)
        found = {number: {**own, "top_genes": number} for number in TOP_GENES}
    else:
        found = {int(str(one.recipe["top_genes"])): chosen(one) for one in same}
    for number in sorted({*TOP_GENES, *found} - {top_genes}):
        name = f"top {number} genes"
        if number in found:
            variants.append(Variant(name=name, table="top-genes", semantics=found[number]))
        else:
            missing[name] = (_recipe(base), number)


def _add_texts(
    variants: list[Variant],
    missing: dict[str, tuple[str, int]],
    base: CollectionInfo,
    stored: list[CollectionInfo],
    top_genes: int,
) -> None:
    for recipe in TEXTS:
        if recipe == _recipe(base):
            continue
        found = [one for one in stored if _recipe(one) == recipe and _lists(one, top_genes)]
        for one in found:
            name = recipe if len(found) == 1 else f"{recipe} {one.space.model} {one.space.id[:8]}"
            settings = {**chosen(one), "top_genes": top_genes}
            variants.append(Variant(name=name, table="texts", semantics=settings))
        if not found:
            missing[recipe] = (recipe, top_genes)


def _named_apart(variants: list[Variant]) -> list[Variant]:
    """Return the variants, collections that differ in their template alone told apart by their digest."""
    names = [one.name for one in variants]
    return [
        replace(one, name=f"{one.name} @{one.semantics['collection'][:6]}") if names.count(one.name) > 1 else one
        for one in variants
    ]


def _recipe(info: CollectionInfo) -> str:
    return str(info.recipe["name"])


def _lists(info: CollectionInfo, top_genes: int) -> bool:
    """Tell whether the texts list so many genes; per-gene texts serve any number."""
    return bool(info.recipe.get("top_genes", top_genes) == top_genes)
