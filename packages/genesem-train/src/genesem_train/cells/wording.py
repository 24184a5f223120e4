"""The choices of the recipe `cell-sentences` as training knows them, and the builds that make a wording."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from genesem_embed.store import Space, Store
from genesem_train.cells.config import CellsConfig

RECIPE = "cell-sentences"
BUNDLED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""SHA-256 of the weights that `--model minilm` stands for."""
OWN_CHOICES = ("content", "scaling", "scaling_scope", "exclude_markers", "target_markers", "undetected")
"""Choices that shape the cell's own sentence."""
DEFAULTS: dict[str, Any] = {
    "k": 1,
    "sections": ["similar", "near", "dissimilar", "distant"],
    "pairing": "union",
    "similarity": "cosine",
    "distance": "euclidean",
    "negatives": "quantile",
    "far_quantile": 0.2,
    "reuse_cap": 10,
    "positive_window": None,
    "negative_window": None,
    "layout": "joint",
    "scaling_scope": "training",
    "exclude_markers": None,
    "occlude": [],
    "undetected": "drop",
    "target_markers": 10,
    "context_markers": 5,
    "content": "ranks",
    "filler": False,
    "shuffle_coordinates": False,
    "seed": 0,
    "sample": None,
    "image_key": "image",
}
"""What a build writes unless told otherwise, but for `scaling`, which depends on the values."""


def plain_json(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return choices as JSON has them, so that tuples and lists compare equal."""
    found: dict[str, Any] = json.loads(json.dumps(dict(choices)))
    return found


def changed(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choices in which a wording differs from the default one."""
    return {name: value for name, value in choices.items() if name in DEFAULTS and value != DEFAULTS[name]}


def words(change: Mapping[str, Any]) -> list[str]:
    """Return a change as `name=value` words of a build: lists with commas, rank windows as `1-3`."""
    return [f"{name}={_word(name, value)}" for name, value in change.items()]


def flags(change: Mapping[str, Any]) -> str:
    """Return a change as options of `genesem-embed build`."""
    return "".join(f" --cells {shlex.quote(word)}" for word in words(change))


def split_choices(config: CellsConfig) -> dict[str, Any]:
    """Return what a build must be told of the split, where it is not the recipe's default.

    A build whose texts depend on the fold has to divide the cells as the fit does.
    """
    key = {"patient": config.group_key, "image": config.image_key or "image", "cell": None}[config.split]
    told = {
        "split_by": None if config.split == "patient" else config.split,
        "split_key": None if key in (None, config.split) else key,
        "status_key": config.status_key,
        "folds": None if config.folds == 5 else config.folds,
        "seed": config.split_seed or None,
        "image_key": None if config.image_key in (None, "image") else config.image_key,
    }
    return {name: value for name, value in told.items() if value is not None}


def build_command(store: Store, dataset: str, extra: str = "", space: Space | None = None) -> str:
    """Return the command that stores sentences; in the space of another collection where one is given."""
    model = " [--model minilm]" if space is None else _space_flags(space)
    place = shlex.quote(str(store.place))
    return f"genesem-embed build --dataset {shlex.quote(dataset)} --store {place} --recipe {RECIPE}{extra}{model}"


def _space_flags(space: Space) -> str:
    """Return the options that lead to a space from the defaults of its model."""
    bundled = any(digest == BUNDLED_WEIGHTS for _, digest in space.weights_sha256)
    told = f" --model {'minilm' if bundled else shlex.quote(space.model)} --pooling {space.pooling}"
    told += f" --max-tokens {space.max_tokens}"
    for name, usual in (("precision", "float16"), ("quantization", "none"), ("layer", -1)):
        if getattr(space, name) != usual:
            told += f" --{name} {getattr(space, name)}"
    return told


def _word(name: str, value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ("-" if name.endswith("window") else ",").join(map(str, value))
    return str(value)
