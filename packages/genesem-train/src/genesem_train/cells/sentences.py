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
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.wording import RECIPE, build_command, flags, split_choices
from genesem_train.errors import SlideMismatchError

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
    def is_occluded(self) -> bool:
        """Tell whether words were left out to see what they are worth."""
        return bool(self.choices.get("occlude"))

    def holds(self, sample: int | None, seed: int) -> bool:
        """Tell whether there is a text of every cell, or of every cell of a sample."""
        own = self.choices.get("sample")
        return own is None or (sample is not None and own >= sample and self.choices.get("seed", 0) == seed)

    def info(self, fold: int) -> CollectionInfo:
        """Return the collection of a fold."""
        return self.by_fold[WHOLE_SLIDE] if WHOLE_SLIDE in self.by_fold else self.by_fold[fold]

    def matrix(self, store: Store, fold: int, ids: list[str]) -> Float[np.ndarray, "cell dim"]:
        """Return one vector a cell, in the order of `ids`; of a layout of several texts a cell all vectors in a row."""
        info = self.info(fold)
        names = store.ids(info)
        row = {name: position for position, name in enumerate(names)}
        vectors = np.asarray(store.matrix(info), dtype=np.float32)
        if self.choices.get("layout", "joint") == "joint":
            return vectors[[row[name] for name in ids]]
        sides = dict.fromkeys(name.rpartition("#")[2] for name in names)
        return np.hstack([vectors[[row[f"{name}#{side}"] for name in ids]] for side in sides])


def stored_sentences(
    store: Store, slide: AnnData, *, dataset: str, config: CellsConfig, split_digest: str
) -> list[SentenceSet]:
    """Return every set of sentence collections of the slide that a fit with this split may learn from.

    Left out are sets whose texts were made for another split, sets with a fold missing, sets that serve every fold
    where the split is by cell (their texts have test cells for neighbours), and sets scaled on all cells.

    Raises
    ------
    CollectionMissingError
        Nothing is stored for this slide under the recipe.
    SlideMismatchError
        What is stored was built from other cells, or would carry test cells into training texts.
    """
    found = store.find_collections(recipe=RECIPE, space=config.space)
    mark = fingerprint(slide)
    mine = [info for info in found if info.slide["fingerprint"] == mark]
    name = slide.uns["genesem"]["name"]
    command = build_command(store, dataset, flags(split_choices(config)))
    if not mine:
        _refuse([info for info in found if info.slide["name"] == name], name, command, mark)
    safe = [info for info in mine if why_unsafe(info, config, split_digest) is None]
    sets = [whole for whole in _group(safe) if WHOLE_SLIDE in whole.by_fold or len(whole.by_fold) == config.folds]
    if not sets:
        reasons = list(dict.fromkeys(why for info in mine if (why := why_unsafe(info, config, split_digest))))
        lacks = f"of {config.folds} folds, some have no collection; expected one a fold"
        msg = f"the sentences stored for {name} cannot be learnt from: {'; '.join(reasons) or lacks}; run: {command}"
        raise SlideMismatchError(msg)
    return sorted(sets, key=lambda one: (one.is_occluded, json.dumps(dict(one.choices), sort_keys=True, default=str)))


def why_unsafe(info: CollectionInfo, config: CellsConfig, split_digest: str) -> str | None:
    """Return how test cells would get into training texts, or None where they cannot."""
    choices, split = info.recipe["cells"], info.recipe.get("split")
    if choices.get("scaling_scope") == "cohort" and choices.get("scaling") != "raw":
        return "they were scaled on all cells (scaling_scope=cohort), test cells included"
    if split and split["sha256"] != split_digest:
        return (
            f"they were made for another split (by {split['by']}, {split['n_folds']} folds, seed {split['seed']}) than "
            "this fit's, so test cells would have shaped training texts"
        )
    if config.split == "cell" and not split:
        return "a split by cell puts the sentences of test cells into the texts of training cells, as their neighbours"
    return None


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
