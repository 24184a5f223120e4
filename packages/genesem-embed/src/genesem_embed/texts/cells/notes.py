"""What a build of cell sentences tells its user: counts, hubs, and what was shortened or is strange."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from genesem_embed.texts.cells.cohort import Cohort
from genesem_embed.texts.cells.context import Context, hub_shares
from genesem_embed.texts.cells.options import CellOptions


def make_notes(cohort: Cohort, context: Context, dropped: Counter[str], options: CellOptions) -> dict[str, Any]:
    """Return counts, hubs and warnings as plain JSON values; the same for every run."""
    sizes = np.bincount(cohort.cells.image, minlength=len(cohort.cells.image_names))
    last = max(options.k, *(window[1] for window in (options.positive_window, options.negative_window) if window), 0)
    small = [name for name, size in zip(cohort.cells.image_names, sizes, strict=True) if options.k and size <= last]
    lost = {section: n for section, n in dropped.items() if n}
    return {
        "n_cells": len(cohort.shown),
        "n_images": len(sizes),
        "n_empty_cells": int((~cohort.shown.any(axis=1)).sum()),
        "n_small_images": len(small),
        "hubs": hub_shares(context),
        "dropped_sentences": lost,
        "warnings": list(_warnings(cohort, small, lost, last)),
    }


def _warnings(cohort: Cohort, small: Sequence[str], lost: dict[str, int], last: int) -> Iterator[str]:
    if small:
        named = ", ".join(small[:5])
        yield f"{len(small)} images have fewer than {last + 1} cells (first: {named}): their sections are shorter"
    if n_empty := int((~cohort.shown.any(axis=1)).sum()):
        yield f"{n_empty} cells show no marker and are written so"
    n_placed = len(np.unique(np.column_stack([cohort.cells.image, cohort.cells.coords]), axis=0))
    if n_same := len(cohort.shown) - n_placed:
        yield f"{n_same} cells stand where another cell of their image stands; ties go by cell order"
    if lost:
        listed = ", ".join(f"{n} {section}" for section, n in lost.items())
        yield f"sentences dropped so that prompts fit the model: {listed}"
