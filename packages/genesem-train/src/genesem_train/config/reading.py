"""Plain values, as TOML has them, to dataclasses of settings and back."""

import dataclasses
import difflib
import types
from typing import Any, Literal, Union, get_args, get_origin

from genesem_train.errors import ConfigError


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
    return cls(**{name: _convert(fields[name].type, value, f"{where}: {name}") for name, value in values.items()})


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
