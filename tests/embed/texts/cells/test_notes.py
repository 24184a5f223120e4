from collections import Counter

import numpy as np

from genesem_embed.texts.cells.cohort import read_cohort
from genesem_embed.texts.cells.notes import make_notes
from genesem_embed.texts.cells.options import CellOptions


def test_counts_hubs_and_nothing_to_warn_of(cells):
    cells.obsm["spatial"] = np.arange(480.0).reshape(240, 2)
    options = CellOptions(scaling="raw")
    notes = make_notes(read_cohort(cells, options), {"near": np.array([[1], [0], [1], [-1]])}, Counter(near=0), options)
    assert notes == {
        "n_cells": 240,
        "n_images": 8,
        "n_empty_cells": 0,
        "n_small_images": 0,
        "hubs": {"near": {"n_distinct": 2, "max_share": 0.666667}},
        "dropped_sentences": {},
        "warnings": [],
    }


def test_a_rank_window_counts_as_k(cells):
    options = CellOptions(scaling="raw", positive_window=(20, 30))
    notes = make_notes(read_cohort(cells, options), {}, Counter(), options)
    assert notes["n_small_images"] == 8
    assert notes["warnings"][0].startswith("8 images have fewer than 31 cells")
