import pytest

from genesem_embed.errors import InputError, UnknownNameError
from genesem_embed.texts.cells.options import CellOptions
from genesem_embed.texts.cells.parse import parse_cell_options


def test_every_kind_of_value():
    found = parse_cell_options(
        [
            "k=3",
            "far-quantile=0.1",
            "sections=near, distant",
            "occlude=CD3",
            "exclude_markers=",
            "positive_window=2-4",
            "target_markers=none",
            "sample=500",
            "filler=yes",
            "shuffle_coordinates=false",
            "pairing=spatial",
            "status_key=recurrence",
        ]
    )
    assert found == CellOptions(
        k=3,
        far_quantile=0.1,
        sections=("near", "distant"),
        occlude=("CD3",),
        exclude_markers=(),
        positive_window=(2, 4),
        target_markers=None,
        sample=500,
        filler=True,
        pairing="spatial",
        status_key="recurrence",
    )


def test_a_base_is_kept():
    assert parse_cell_options(["k=0"], CellOptions(seed=4)) == CellOptions(k=0, seed=4)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("k", "'k' is not name=value"),
        ("k=three", "k cannot be 'three'; expected a value of type int"),
        ("filler=maybe", "filler cannot be 'maybe'; expected a value of type bool"),
        ("positive_window=3", "positive_window cannot be '3'; expected first-last ranks"),
        ("positive_window=3-2", "positive_window is 3-2; expected first and last rank"),
        ("pairing=both", "pairing is 'both'; expected one of union, intersection, spatial, expression"),
        ("sections=near,far", "sections is 'far'; expected one of similar, near, dissimilar, distant"),
        ("k=-1", "k is -1; expected at least 0"),
        ("far_quantile=0", "far_quantile is 0.0; expected a share above 0"),
    ],
)
def test_values_that_cannot_be_are_refused(word, message):
    with pytest.raises(InputError, match=message):
        parse_cell_options([word])


def test_unknown_options_name_the_nearest():
    with pytest.raises(UnknownNameError, match="no option 'parings'; did you mean pairing"):
        parse_cell_options(["parings=union"])
