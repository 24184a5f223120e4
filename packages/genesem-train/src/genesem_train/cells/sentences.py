"""Stored vectors of cell sentences: which collections belong together, and one matrix of them for a fold.

The only reader of the store among the cells. A recipe whose scaling was fitted on training cells has one collection a
fold; any other serves every fold.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData
from jaxtyping import Float

from genesem_embed.datasets import fingerprint
from genesem_embed.store import CollectionInfo, CollectionMissingError, Store
from genesem_train.errors import ConfigError, SlideMismatchError

RECIPE = "cell-sentences"
OWN_CHOICES = ("content", "scaling", "exclude_markers", "target_markers", "undetected")
"""Choices that shape the cell's own sentence."""
WHOLE_SLIDE = -1
"""Key of the one collection that serves every fold."""


@dataclass(frozen=True, kw_only=True)
class SentenceSet:
    """All collections of one wording of the cells: one, or one a fold."""

    choices: Mapping[str, Any]
    """The recipe's options that decide the texts: k, sections, content, occlude and so on."""
    markers: tuple[str, ...]
    space: str
    by_fold: Mapping[int, CollectionInfo]

    @property
    def digests(self) -> list[str]:
        """Return name and digest of every collection."""
        return [f"{info.name}@{info.digest}" for _, info in sorted(self.by_fold.items())]

    @property
    def is_plain(self) -> bool:
        """Tell whether a text is the cell's own sentence and nothing else."""
        return self.choices.get("k") == 0

    @property
    def is_partial(self) -> bool:
        """Tell whether words or cells were left out for an occlusion."""
        return bool(self.choices.get("occlude")) or bool(self.choices.get("sample"))

    def info(self, fold: int) -> CollectionInfo:
        """Return the collection of a fold."""
        return self.by_fold[WHOLE_SLIDE] if WHOLE_SLIDE in self.by_fold else self.by_fold[fold]

    def matrix(self, store: Store, fold: int, ids: list[str]) -> Float[np.ndarray, "cell dim"]:
        """Return one vector a cell, in the order of `ids`; of a paired layout both vectors, side by side."""
        info = self.info(fold)
        row = {name: position for position, name in enumerate(store.ids(info))}
        vectors = np.asarray(store.matrix(info), dtype=np.float32)
        if self.choices.get("layout") == "paired":
            sides = [[row[f"{name}#{side}"] for name in ids] for side in ("positive", "negative")]
            return np.hstack([vectors[side] for side in sides])
        return vectors[[row[name] for name in ids]]


def stored_sentences(
    store: Store, slide: AnnData, *, dataset: str, space: str | None, split_digest: str, n_folds: int
) -> list[SentenceSet]:
    """Return every usable set of sentence collections of the slide, largest context last.

    Sets whose scaling was fitted on another split than `split_digest` are left out, as are sets with a fold missing.

    Raises
    ------
    CollectionMissingError
        Nothing is stored for this slide under the recipe.
    SlideMismatchError
        What is stored was built from other cells, or for another split.
    """
    found = store.find_collections(recipe=RECIPE, space=space)
    mark = fingerprint(slide)
    mine = [info for info in found if info.slide["fingerprint"] == mark]
    name = slide.uns["genesem"]["name"]
    if not mine:
        _refuse([info for info in found if info.slide["name"] == name], name, build_command(store, dataset), mark)
    fitting = [info for info in mine if not info.recipe.get("split") or info.recipe["split"]["sha256"] == split_digest]
    sets = [whole for whole in _group(fitting) if WHOLE_SLIDE in whole.by_fold or len(whole.by_fold) == n_folds]
    if not sets:
        split = next(info.recipe["split"] for info in mine if info.recipe.get("split"))
        msg = (
            f"the sentences stored for {name} had their scaling fitted on another split (by {split['by']}, "
            f"{split['n_folds']} folds, seed {split['seed']}) than this fit's; expected the same, or test cells would "
            f"have shaped training texts; fit with that split, or run: {build_command(store, dataset)}"
        )
        raise SlideMismatchError(msg)
    return sorted(sets, key=lambda one: (one.is_partial, json.dumps(dict(one.choices), sort_keys=True, default=str)))


def choose_sentences(sets: list[SentenceSet], digest: str | None, dataset: str, store: Store) -> SentenceSet:
    """Return the set with context to fit on: the one whose digest begins so, else the only one there is.

    Raises
    ------
    ConfigError
        When none or several fit.
    """
    if digest:
        fitting = [one for one in sets if any(info.digest.startswith(digest) for info in one.by_fold.values())]
    else:
        whole = [one for one in sets if not one.is_plain and not one.is_partial]
        fitting = [one for one in whole if not any(_lacks_sections(one, other) for other in whole)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = "; ".join(f"{one.info(0).digest[:12]} {describe(one, fitting)}" for one in fitting)
        msg = f"{len(fitting)} sentence collections fit {dataset}: {listed}; choose with --collection or --space"
        raise ConfigError(msg)
    wanted = f"whose digest begins with {digest}" if digest else "with context"
    msg = f"no sentence collection of {dataset} {wanted} is stored; run: {build_command(store, dataset)}"
    raise CollectionMissingError(msg)


def plain_sentences(sets: list[SentenceSet], chosen: SentenceSet) -> SentenceSet | None:
    """Return the set without context that is otherwise worded like `chosen`, if it is stored."""
    for one in sets:
        alike = all(one.choices.get(key) == chosen.choices.get(key) for key in OWN_CHOICES)
        if one.is_plain and not one.is_partial and one.space == chosen.space and alike:
            return one
    return None


def describe(one: SentenceSet, among: list[SentenceSet]) -> str:
    """Return the choices of a set in which it differs from others."""
    keys = sorted({key for other in among for key in other.choices})
    varied = [key for key in keys if len({json.dumps(other.choices.get(key), default=str) for other in among}) > 1]
    told = [f"{key}={one.choices.get(key)}" for key in varied]
    return ", ".join([*told, f"space {one.space[:12]}"])


def build_command(store: Store, dataset: str, extra: str = "") -> str:
    """Return the command that stores sentences."""
    return f"genesem-embed build --dataset {dataset} --store {store.place} --recipe {RECIPE}{extra} [--model minilm]"


def _lacks_sections(one: SentenceSet, other: SentenceSet) -> bool:
    """Tell whether `one` is `other` with a section left out, which an occlusion or ablation stores."""
    rest = [{key: value for key, value in each.choices.items() if key != "sections"} for each in (one, other)]
    fewer = set(one.choices["sections"]) < set(other.choices["sections"])
    return fewer and rest[0] == rest[1] and one.space == other.space


def _group(infos: list[CollectionInfo]) -> list[SentenceSet]:
    sets: dict[str, dict[int, CollectionInfo]] = {}
    for info in infos:
        identity = {key: value for key, value in info.recipe.items() if key != "split"}
        split = info.recipe.get("split")
        name = json.dumps([identity, info.space.id, bool(split)], sort_keys=True, default=str)
        sets.setdefault(name, {})[int(split["fold"]) if split else WHOLE_SLIDE] = info
    return [
        SentenceSet(
            choices=first.recipe["cells"],
            markers=tuple(first.recipe["markers"]),
            space=first.space.id,
            by_fold=by_fold,
        )
        for by_fold in sets.values()
        for first in [next(iter(by_fold.values()))]
    ]


def _refuse(namesakes: list[CollectionInfo], name: str, command: str, mark: str) -> None:
    if namesakes:
        msg = (
            f"the cells of {name} are not the ones its sentences were built from: fingerprint {mark[:12]} here, "
            f"{str(namesakes[0].slide['fingerprint'])[:12]} there; use those cells, or run: "
            f"{command}"
        )
        raise SlideMismatchError(msg)
    msg = f"no cell sentences are stored for {name}; run: {command}"
    raise CollectionMissingError(msg)
