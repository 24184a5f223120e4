"""The wordings that a comparison still lacks, and the one build that stores them all."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from genesem_embed.store import Store
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.plan import Plan
from genesem_train.cells.sentences import SentenceSet
from genesem_train.cells.wording import OWN_CHOICES, build_command, changed, flags, plain_json, split_choices, words

Purpose = Literal["ablations", "markers", "sections"]


def find_wording(sets: Iterable[SentenceSet], whole: SentenceSet, change: Mapping[str, Any]) -> SentenceSet | None:
    """Return the stored set that differs from `whole` by `change` alone; `whole` itself where that is one."""
    wanted = plain_json({**whole.choices, **change})
    fitting = [
        one
        for one in sets
        if one.space == whole.space and _comparable(one.choices, wanted) == _comparable(wanted, wanted)
    ]
    return whole if whole in fitting else next(iter(fitting), None)


def occlusion_changes(whole: SentenceSet, purpose: Purpose, sample: int | None) -> dict[str, dict[str, Any]]:
    """Return what to leave out of `whole` for an occlusion: each marker, or each section, of a sample of its cells."""
    drawn = {} if sample is None else {"sample": sample}
    if purpose == "markers":
        return {marker: {"occlude": [marker], **drawn} for marker in whole.markers}
    sections = list(whole.choices["sections"])
    return {name: {"sections": [one for one in sections if one != name], **drawn} for name in sections}


def missing_changes(
    plan: Plan, changes: Mapping[str, Mapping[str, Any]], sample: int | None, seed: int
) -> dict[str, Mapping[str, Any]]:
    """Return those of `changes` that no stored set has for every cell of the sample."""
    holding = [one for one in plan.sets if one.holds(sample, seed)]
    return {name: change for name, change in changes.items() if find_wording(holding, plan.chosen, change) is None}


def one_build(store: Store, dataset: str, plan: Plan, config: CellsConfig, changes: Iterable[Mapping[str, Any]]) -> str:
    """Return the command that stores the chosen wording with each of `changes`, the model loaded once."""
    choices = plain_json(plan.chosen.choices)
    base = {"scaling": choices["scaling"]} | changed(choices) | split_choices(config)
    base.pop("sample", None)
    if config.sample:
        base["sample"] = config.sample
    variants = "".join(f" --variant {shlex.quote(' '.join(words(change)))}" for change in changes)
    return build_command(store, dataset, flags(base) + variants, plan.chosen.info(0).space)


def _comparable(choices: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices that matter: how many cells were drawn does not; with k = 0, nothing about context does."""
    plain = {key: value for key, value in plain_json(choices).items() if key != "sample"}
    if wanted["k"] == 0:
        return {key: plain.get(key) for key in ("k", "occlude", *OWN_CHOICES)}
    return plain
