"""The stored sentences of a new cohort that are worded as those of a fit."""

from collections.abc import Mapping
from typing import Any

from anndata import AnnData

from genesem_embed.datasets import fingerprint
from genesem_embed.store import CollectionInfo, CollectionMissingError, Store
from genesem_train.cells.sentences import WHOLE_SLIDE, SentenceSet
from genesem_train.cells.wording import RECIPE, build_command, changed, flags, plain_json
from genesem_train.errors import ConfigError

_OF_A_RUN = frozenset({"sample", "seed", "image_key", "scaling_scope"})
"""Choices in which a new cohort may differ: which cells, which draw, which column, and what scaling is fitted on.

Where the fit's scaling was fitted on training cells, a new cohort's is fitted on its own.
"""


def find_sentences(store: Store, slide: AnnData, wording: Mapping[str, Any], space: str, dataset: str) -> SentenceSet:
    """Return the sentences of all cells of `slide` in the fit's wording and space.

    Raises
    ------
    ConfigError
        The panel shares no marker with that of the fit.
    CollectionMissingError
        There are none; the message names the build.
    """
    mark = fingerprint(slide)
    found = [info for info in store.find_collections(recipe=RECIPE, space=space) if info.slide["fingerprint"] == mark]
    fitting = [info for info in found if _is_worded(info, wording) and store.ids(info)]
    if not fitting:
        name = slide.uns["genesem"]["name"]
        spaces = [info.space for info in store.find_collections(recipe=RECIPE) if info.space.id == space]
        choices = plain_json(wording["cells"])
        change = {"scaling": choices["scaling"]} | changed(choices) | {"scaling_scope": _scope(choices)}
        change = {key: value for key, value in change.items() if key not in _OF_A_RUN - {"scaling_scope"}}
        command = build_command(store, dataset, flags(change), spaces[0] if spaces else None)
        msg = f"no sentences of {name} are stored in the wording and space of the fit; run: {command}"
        raise CollectionMissingError(msg)
    info = fitting[0]
    markers = tuple(info.recipe["markers"])
    if not set(markers) & set(wording["markers"]):
        msg = (
            f"the panel ({', '.join(markers[:5])}, ...) shares no marker with the one that the model was fitted on "
            f"({', '.join(wording['markers'][:5])}, ...); expected the same names: rename them in the table"
        )
        raise ConfigError(msg)
    return SentenceSet(choices=info.recipe["cells"], markers=markers, space=space, by_fold={WHOLE_SLIDE: info})


def _is_worded(info: CollectionInfo, wording: Mapping[str, Any]) -> bool:
    mine, theirs = plain_json(info.recipe["cells"]), plain_json(wording["cells"])
    if info.recipe.get("split") or mine.get("sample") or _scope(mine) != _scope(theirs):
        return False
    same_template = info.recipe.get("template_sha256") == wording.get("template_sha256")
    keys = (mine.keys() | theirs.keys()) - _OF_A_RUN
    return same_template and all(mine.get(key) == theirs.get(key) for key in keys)


def _scope(choices: Mapping[str, Any]) -> str:
    """Return where a new cohort's scaling has to be fitted."""
    if choices.get("scaling") == "raw":
        return "training"
    return "image" if choices.get("scaling_scope") == "image" else "cohort"
