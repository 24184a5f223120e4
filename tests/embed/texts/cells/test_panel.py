import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts.cells.panel import choose_markers, require_markers


@pytest.mark.parametrize(
    "name", ["Ir191", "191Ir_DNA1", "dsDNA", "DNA2", "Histone-H3", "HistoneH3", "H3", "H3K9ac", "H3K27me3"]
)
def test_nuclear_channels_are_left_out_by_default(name):
    assert choose_markers(["CD3", name], None) == [0]


@pytest.mark.parametrize("name", ["p-Histone-H3-S28", "HLA-DR", "CD31", "Iridescent", "H3F"])
def test_other_markers_stay(name):
    assert choose_markers(["CD3", name], None) == [0, 1]


def test_a_given_list_replaces_the_default():
    assert choose_markers(["CD3", "Ir191", "CD8"], []) == [0, 1, 2]
    assert choose_markers(["CD3", "Ir191", "CD8"], ["cd8"]) == [0, 1]


def test_names_are_found_in_any_case_and_with_spaces():
    assert require_markers(["Pan-Keratin", "CD8"], ["pan keratin"]) == ["Pan-Keratin"]


def test_a_missing_marker_lists_the_panel():
    with pytest.raises(InputError, match="no marker CD99; it has CD3, CD8"):
        choose_markers(["CD3", "CD8"], ["CD99", "CD3"])


def test_something_must_be_left():
    with pytest.raises(InputError, match="no marker is left of 2"):
        choose_markers(["CD3", "CD8"], ["CD3", "CD8"])
