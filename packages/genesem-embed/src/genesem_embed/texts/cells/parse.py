"""`name=value` words to the options of `cell-sentences`: how a command line or a table of ablations states them."""

import difflib
from collections.abc import Iterable
from dataclasses import fields, replace
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from genesem_embed.errors import InputError, UnknownNameError
from genesem_embed.texts.cells.options import CellOptions

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_cell_options(words: Iterable[str], base: CellOptions | None = None) -> CellOptions:
    """Return `base` (the defaults) with what the `words` change.

    Lists are separated by commas, rank windows written `1-3`, and `none` takes a limit away.

    Raises
    ------
    UnknownNameError
        There is no option of that name; the nearest is named.
    InputError
        A word is not `name=value`, or the value cannot be one of this option.

    Examples
    --------
    >>> found = parse_cell_options(["k=3", "sections=near,distant", "positive_window=2-4", "target_markers=none"])
    >>> found.k, found.sections, found.positive_window, found.target_markers
    (3, ('near', 'distant'), (2, 4), None)
    """
    hints = get_type_hints(CellOptions)
    changes = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            msg = f"{word!r} is not name=value; write for example k=3"
            raise InputError(msg)
        name = name.strip().replace("-", "_")
        if name not in hints:
            raise UnknownNameError(_unknown(name))
        changes[name] = _convert(name, value.strip(), hints[name])
    return replace(base or CellOptions(), **changes)


def _convert(name: str, value: str, hint: Any) -> Any:  # noqa: ANN401 - a type and a value of any form
    if NoneType in get_args(hint):
        if value.lower() == "none":
            return None
        hint = next(part for part in get_args(hint) if part is not NoneType)
    try:
        if get_origin(hint) is tuple and Ellipsis in get_args(hint):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if get_origin(hint) is tuple:
            first, last = value.split("-")
            return int(first), int(last)
        if hint is bool:
            return _TRUTH[value.lower()]
        return hint(value) if hint in (int, float) else value
    except (ValueError, KeyError):
        kind = "first-last ranks, as 1-3" if get_origin(hint) is tuple else f"a value of type {hint.__name__}"
        msg = f"cell-sentences: {name} cannot be {value!r}; expected {kind}"
        raise InputError(msg) from None


def _unknown(name: str) -> str:
    known = [field.name for field in fields(CellOptions)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"cell-sentences has no option {name!r}; {hint}it has {', '.join(known)}"
