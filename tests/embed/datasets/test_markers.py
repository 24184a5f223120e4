"""Short marker names and the AnnData every marker reader ends with."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesem_embed.datasets.markers import cell_slide, short_names


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["PTPRN / IA-2", "p-Histone H3 [S28]"], ["PTPRN-IA-2", "p-Histone-H3-S28"]),
        (["Ki-67", "KI-67", "ki-67"], ["Ki-67", "KI-67-2", "ki-67-3"]),
        (["cleaved-PARP + cleaved-Caspase3"], ["cleaved-PARP-cleaved-Caspase3"]),
        (["α", "", "[]"], ["marker", "marker-2", "marker-3"]),
        (["CD8a", "PD_1"], ["CD8a", "PD_1"]),
    ],
)
def test_short_names(names, short):
    assert short_names(names) == short


@given(st.lists(st.text(max_size=6), max_size=8))
def test_short_names_are_single_words_and_distinct_in_upper_case(names):
    short = short_names(names)
    assert len({name.upper() for name in short}) == len(names)
    assert all(name and name.isascii() and " " not in name for name in short)


def test_text_becomes_categories_and_full_names_stay():
    obs = pd.DataFrame({"cell_type": ["a", None], "area": [1, 2]}, index=["c1", "c2"])
    slide = cell_slide(np.ones((2, 1), np.float32), ["Ki / 67"], obs, np.zeros((2, 2)))
    assert slide.obs["cell_type"].dtype == "category"
    assert slide.obs["area"].dtype.kind == "i"
    assert list(slide.var_names) == ["Ki-67"]
    assert list(slide.var["full_name"]) == ["Ki / 67"]
