"""Which markers sentences may name, and in which order the panel lists them."""

import re
from collections.abc import Sequence

from genesem_embed.errors import InputError

_NUCLEAR = re.compile(
    r"(?:ir19[13]\S*|19[13]ir\S*|ds-?dna|dna\d*|(?:total-?)?histone-?h?3?|h3|hh3|h3k\d+(?:ac|me\d?))", re.I
)


def choose_markers(names: Sequence[str], exclude: Sequence[str] | None) -> list[int]:
    """Return the positions of the markers that sentences may name, in panel order.

    Without `exclude`, DNA channels (Ir191, Ir193, dsDNA, DNA1) and bulk histone channels (Histone H3, H3K9ac) are left
    out: every nucleus has them, so they lead the sentences of most cells. Phospho-histones stay: they mark division.

    Raises
    ------
    InputError
        A marker to exclude is not in the panel, or nothing is left.
    """
    if exclude is None:
        left_out = {name for name in names if _NUCLEAR.fullmatch(name)}
    else:
        left_out = set(require_markers(names, exclude))
    chosen = [position for position, name in enumerate(names) if name not in left_out]
    if not chosen:
        msg = f"no marker is left of {len(names)}; expected at least 1: exclude fewer"
        raise InputError(msg)
    return chosen


def require_markers(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the panel's spelling of the `wanted` markers; case may differ, and a space may stand for a hyphen.

    Raises
    ------
    InputError
        One of them is not in the panel; the panel is listed.
    """
    known = {name.upper(): name for name in names}
    asked = [re.sub(r"\s+", "-", name.strip()).upper() for name in wanted]
    if missing := [name for name, key in zip(wanted, asked, strict=True) if key not in known]:
        msg = f"the panel has no marker {', '.join(missing)}; it has {', '.join(names)}: use one of these names"
        raise InputError(msg)
    return [known[key] for key in asked]
