"""Colours for up to 52 domains, and the matching that gives one domain one colour in every panel.

The first seven colours are those of Okabe and Ito (2008). The others were chosen one by one, each as far as possible
from all before it in OKLab, as the eye sees it and as simulated for protanopia, deuteranopia and tritanopia (Machado et
al. 2009), so that a short prefix is as distinct as its length allows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    import pandas as pd

PALETTE = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#332288", "#780000", "#9600ff"),
    *("#a52d69", "#a578ff", "#695a00", "#001ed2", "#87e187", "#5a004b", "#a5b4a5", "#c32dc3", "#870fa5", "#4b3c4b"),
    *("#965a4b", "#b4ffa5", "#5a5a87", "#ffb4ff", "#c3000f", "#f01ee1", "#d2b4d2", "#ff69d2", "#78873c", "#0f5a3c"),
    *("#870069", "#a5964b", "#a56996", "#78b478", "#c30087", "#f087ff", "#2dff78", "#7869ff", "#003c00", "#3ce14b"),
    *("#96002d", "#b4d2b4", "#006969", "#873c4b", "#e1c300", "#f0780f", "#3ca5c3", "#4b0069", "#781ee1", "#4b3c87"),
    *("#f000a5", "#9678c3"),
)
MISSING_COLOUR = "#dcdcdc"
MISSING = -1


def colours(codes: Int[np.ndarray, " spot"]) -> np.ndarray:
    """Return one colour a code; codes past the palette begin it again, `MISSING` is light grey."""
    table = np.array([*PALETTE, MISSING_COLOUR])
    return table[np.where(codes == MISSING, len(PALETTE), codes % len(PALETTE))]


def annotation_codes(annotation: "pd.Categorical[Any]") -> tuple[Int[np.ndarray, " spot"], list[str]]:
    """Return codes and names of the annotation's used categories, `MISSING` where there is no label."""
    used = annotation.remove_unused_categories()
    return used.codes.astype(np.int64), [str(name) for name in used.categories]


def match_codes(
    reference: Int[np.ndarray, " spot"], domains: Int[np.ndarray, " spot"], n_reference: int
) -> Int[np.ndarray, " spot"]:
    """Return the domains renamed to the reference codes they share most spots with, one to one.

    Domains left without a partner get the codes from `n_reference` on, largest first. Spots without a reference code
    take no part in the matching (Kuhn-Munkres on the contingency table).
    """
    values, own = np.unique(domains, return_inverse=True)
    overlap = np.zeros((len(values), n_reference), dtype=np.int64)
    labelled = reference != MISSING
    np.add.at(overlap, (own[labelled], reference[labelled]), 1)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    paired = {row: column for row, column in zip(rows, columns, strict=True) if overlap[row, column] > 0}
    left = [row for row in np.argsort(-np.bincount(own), kind="stable") if row not in paired]
    paired.update({row: n_reference + extra for extra, row in enumerate(left)})
    return np.array([paired[row] for row in range(len(values))], dtype=np.int64)[own]


def code_names(names: Sequence[str], codes: Sequence[Int[np.ndarray, " spot"]]) -> dict[int, str]:
    """Return a name for every code in use: the reference's own, then "other domain 1" and so on."""
    used = np.unique(np.concatenate([np.unique(values) for values in codes]))
    named = {int(code): names[code] for code in used if 0 <= code < len(names)}
    named.update({int(code): f"other domain {code - len(names) + 1}" for code in used if code >= len(names)})
    if MISSING in used:
        named[MISSING] = "no label"
    return named
