"""Which of the stored sentences a fit learns from, and which are their plain twin."""

import json
from collections.abc import Iterable

from genesem_embed.store import CollectionMissingError, Store
from genesem_train.cells.sentences import SentenceSet
from genesem_train.cells.wording import OWN_CHOICES, build_command, changed, plain_json
from genesem_train.errors import ConfigError


def sets_of_sample(sets: Iterable[SentenceSet], sample: int | None, seed: int) -> list[SentenceSet]:
    """Return the sets that nothing was left out of and that hold every cell of the sample, one of each wording."""
    found: dict[str, SentenceSet] = {}
    for one in sets:
        if not one.is_occluded and one.holds(sample, seed):
            wording = {**one.choices, "sample": None}
            found.setdefault(json.dumps([one.space, wording], sort_keys=True, default=str), one)
    return list(found.values())


def choose_sentences(
    sets: list[SentenceSet], digest: str | None, dataset: str, store: Store, extra: str = ""
) -> SentenceSet:
    """Return the set to fit on: the one whose digest begins so, else the default wording, else the only one there is.

    Parameters
    ----------
    extra
        Options of the build that the message names, where nothing fits.

    Raises
    ------
    ConfigError
        When several fit.
    CollectionMissingError
        When none fits.
    """
    if digest:
        fitting = [one for one in sets if any(info.digest.startswith(digest) for info in one.by_fold.values())]
    else:
        whole = [one for one in sets if not one.is_plain]
        fitting = [one for one in whole if not any(_lacks_sections(one, other) for other in whole)]
        usual = [one for one in fitting if not set(changed(plain_json(one.choices))) - {"sample", "image_key", "seed"}]
        fitting = usual or fitting
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        listed = "; ".join(f"{one.info(0).digest[:12]} {describe(one, fitting)}" for one in fitting)
        msg = f"{len(fitting)} sentence collections fit {dataset}: {listed}; choose with --collection or --space"
        raise ConfigError(msg)
    wanted = f"whose digest begins with {digest}" if digest else "with context"
    msg = f"no sentence collection of {dataset} {wanted} is stored; run: {build_command(store, dataset, extra)}"
    raise CollectionMissingError(msg)


def plain_sentences(sets: list[SentenceSet], chosen: SentenceSet) -> SentenceSet | None:
    """Return the set without context that is otherwise worded like `chosen`, if it is stored."""
    for one in sets:
        alike = all(one.choices.get(key) == chosen.choices.get(key) for key in OWN_CHOICES)
        if one.is_plain and one.space == chosen.space and alike:
            return one
    return None


def describe(one: SentenceSet, among: list[SentenceSet]) -> str:
    """Return the choices of a set in which it differs from others."""
    keys = sorted({key for other in among for key in other.choices})
    varied = [key for key in keys if len({json.dumps(other.choices.get(key), default=str) for other in among}) > 1]
    told = [f"{key}={one.choices.get(key)}" for key in varied]
    return ", ".join([*told, f"space {one.space[:12]}"])


def _lacks_sections(one: SentenceSet, other: SentenceSet) -> bool:
    """Tell whether `one` is `other` with a section left out, which an occlusion or ablation stores."""
    rest = [{key: value for key, value in each.choices.items() if key != "sections"} for each in (one, other)]
    fewer = set(one.choices["sections"]) < set(other.choices["sections"])
    return fewer and rest[0] == rest[1] and one.space == other.space
