"""Plain values, as TOML has them, to dataclasses of settings and back."""

import dataclasses
import difflib
import types
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, Union, get_args, get_origin

from genesem_train.config.backbones import list_backbones
from genesem_train.errors import ConfigError

ABOVE_ZERO = frozenset({"lr", "radius", "modulator_ratio"})
LEAST: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(
            ("epochs", "networks", "hidden_dim", "latent_dim", "spatial_k", "feature_k", "n_hvg", "top_genes"), 1
        ),
        **dict.fromkeys(("min_cells", "weight_decay", "self_weight", "slack", "vote_neighbours"), 0),
        **dict.fromkeys(("zinb", "spatial", "correlation"), 0),
        "n_domains": 2,
    }
)
"""The least value of a setting, in whatever section it stands."""
SEEDS = 2**32
"""So many seeds there are: scikit-learn takes no others."""


def build_settings(cls: Any, values: dict[str, Any], where: str) -> Any:  # noqa: ANN401 (any class of settings)
    """Return the dataclass `cls` from plain values; `where` names their source in errors.

    Raises
    ------
    ConfigError
        On an unknown key or a value of the wrong type or choice.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
            msg = f"{where}: unknown setting {name!r}{hint}"
            raise ConfigError(msg)
    return cls(**{name: _setting(name, fields[name].type, value, f"{where}: {name}") for name, value in values.items()})


def _setting(name: str, kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 (any setting)
    """Return a value of the right type and within its range."""
    found = _convert(kind, value, where)
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        if name in ABOVE_ZERO:
            _check(found > 0, found, "a number above 0", where)
        if name in LEAST:
            _check(found >= LEAST[name], found, f"a number from {LEAST[name]}", where)
    if name == "backbone":
        _check(found in list_backbones(), found, f"one of {', '.join(list_backbones())}", where)
    if name == "seeds" and found is not None:
        _check(all(0 <= seed < SEEDS for seed in found), list(found), f"whole numbers from 0 to {SEEDS - 1}", where)
        _check(len(set(found)) == len(found), list(found), "each seed once", where)
    return found


def _convert(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 (one branch a kind of type)
    if dataclasses.is_dataclass(kind):
        return build_settings(kind, value, where)
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _convert(get_args(kind)[0], value, where)
    if get_origin(kind) is Literal:
        return _check(value in get_args(kind), value, f"one of {', '.join(map(str, get_args(kind)))}", where)
    if get_origin(kind) is tuple:
        _check(isinstance(value, (list, tuple)) and len(value) > 0, value, "a list", where)
        return tuple(_convert(get_args(kind)[0], item, where) for item in value)
    if kind is float:
        _check(isinstance(value, (int, float)) and not isinstance(value, bool), value, "a number", where)
        return float(value)
    is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return _check(is_kind, value, {int: "a whole number", str: "a text", bool: "true or false"}[kind], where)


def _check(passed: bool, value: Any, expected: str, where: str) -> Any:  # noqa: ANN401, FBT001 (a predicate's result)
    if not passed:
        msg = f"{where} is {value!r}; expected {expected}"
        raise ConfigError(msg)
    return value


def plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` as TOML can hold them: what is None left out, tuples as lists."""
    kept = {name: value for name, value in values.items() if value is not None}
    return {
        name: plain_values(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for name, value in kept.items()
    }
