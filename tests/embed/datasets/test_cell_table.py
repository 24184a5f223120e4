"""Tables of cells as labs write them: columns given or guessed, and what cannot be guessed told."""

import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import CellColumns, labels, load_slide
from genesem_embed.datasets.cell_table import read_cell_table
from genesem_embed.errors import InputError


def _cells(**more):
    return pd.DataFrame(
        {
            "ImageNumber": [1, 1, 2],
            "ObjectNumber": [1, 2, 1],
            "patient_id": ["p1", "p1", "p2"],
            "Location_Center_X": [1.0, 2.0, 3.0],
            "Location_Center_Y": [4.0, 5.0, 6.0],
            "AreaShape_Area": [9, 8, 7],
            "CellType": ["T", None, "B"],
            "Recurrence": ["yes", "yes", "no"],
            "tissue": ["left", "left", "right"],
            "CD3": [0.5, -1.0, 2.0],
            "Ki / 67": [1, 2, 3],
        }
        | more
    )


@pytest.mark.parametrize(("name", "separator"), [("cells.csv", ","), ("cells.tsv", "\t"), ("cells.csv.gz", ",")])
def test_columns_are_guessed(tmp_path, name, separator):
    _cells().to_csv(tmp_path / name, sep=separator, index=False)
    slide = load_slide(tmp_path / name, kind="markers")
    assert list(slide.obs_names) == ["1_1", "1_2", "2_1"]
    assert list(slide.var_names) == ["CD3", "Ki-67"]
    np.testing.assert_array_equal(slide.X, np.array([[0.5, 1], [-1, 2], [2, 3]], dtype=np.float32))
    np.testing.assert_array_equal(slide.obsm["spatial"], [[1, 4], [2, 5], [3, 6]])
    assert labels(slide, "cell_type").tolist() == ["T", np.nan, "B"]
    assert slide.obs["image"].tolist() == ["1", "1", "2"]
    assert slide.obs["patient"].tolist() == ["p1", "p1", "p2"]
    assert slide.obs["status"].tolist() == slide.obs["Recurrence"].tolist() == ["yes", "yes", "no"]
    assert slide.obs["tissue"].tolist() == ["left", "left", "right"]


def test_columns_are_given(tmp_path):
    _cells().to_csv(tmp_path / "cells.csv", index=False)
    columns = CellColumns(x="CD3", y="Ki / 67", cell_type="tissue", markers=("Location_Center_X",))
    slide = load_slide(tmp_path / "cells.csv", kind="markers", columns=columns)
    assert list(slide.var_names) == ["Location_Center_X"]
    np.testing.assert_array_equal(slide.obsm["spatial"][:, 0], [0.5, -1.0, 2.0])
    assert slide.obs["cell_type"].tolist() == ["left", "left", "right"]


def test_ids_that_are_unique_stay_and_missing_columns_are_left_out(tmp_path):
    table = pd.DataFrame({"cell_id": ["a", "b"], "x": [1, 2], "y": [3, 4], "CD4": [0.1, 0.2]})
    table.to_csv(tmp_path / "cells.csv", index=False)
    slide = read_cell_table(tmp_path / "cells.csv")
    assert list(slide.obs_names) == ["a", "b"]
    assert list(slide.obs) == ["image"]
    table.drop(columns="cell_id").to_csv(tmp_path / "cells.csv", index=False)
    assert list(read_cell_table(tmp_path / "cells.csv").obs_names) == ["1_0", "1_1"]


def test_reading_in_pieces_changes_nothing(tmp_path, monkeypatch):
    _cells().to_csv(tmp_path / "cells.csv", index=False)
    whole = read_cell_table(tmp_path / "cells.csv")
    monkeypatch.setattr("genesem_embed.datasets.cell_table._CHUNK", 1)
    pieces = read_cell_table(tmp_path / "cells.csv")
    np.testing.assert_array_equal(whole.X, pieces.X)
    pd.testing.assert_frame_equal(whole.obs, pieces.obs)


@pytest.mark.parametrize(
    ("change", "columns", "message"),
    [
        (lambda t: t.drop(columns="Location_Center_X"), None, "no column that reads like x; it has: ImageNumber"),
        (lambda t: t.iloc[:, :9], None, "no column of numbers left to be a marker"),
        (lambda t: t.iloc[:0], None, "holds no cell"),
        (lambda t: t, CellColumns(patient="donor"), "lacks the column donor; it has: ImageNumber"),
        (lambda t: t, CellColumns(markers=("CD3", "CD99")), "lacks the column CD99"),
        (lambda t: t, CellColumns(markers=("CD3", "tissue")), "a column of markers or coordinates holds text"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, change, columns, message):
    change(_cells()).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_cell_table(tmp_path / "cells.csv", columns)


@pytest.mark.parametrize("body", [b"", b"\x00\xff\xfe\x81", b'"a\nb,"c'], ids=["empty", "bytes", "quotes"])
def test_what_is_no_table(tmp_path, body):
    (tmp_path / "cells.csv").write_bytes(body)
    with pytest.raises(InputError, match="cells"):
        read_cell_table(tmp_path / "cells.csv")


def test_missing_coordinates_and_values_are_counted(tmp_path):
    _cells(Location_Center_X=[1.0, None, 3.0]).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(InputError, match="1 of 3 spots have NaN or missing coordinates"):
        load_slide(tmp_path / "cells.csv", kind="markers")
    _cells(CD3=[1.0, None, 3.0]).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(InputError, match="1 missing or infinite marker values in 1 cells"):
        load_slide(tmp_path / "cells.csv", kind="markers")


def test_a_word_among_the_numbers_of_a_marker(tmp_path):
    _cells(CD3=["0.5", "bad", "2.0"]).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(InputError, match="column CD3 holds numbers but for 1 values such as 'bad'"):
        read_cell_table(tmp_path / "cells.csv")


def test_a_word_far_down_among_the_numbers_of_a_marker(tmp_path, monkeypatch):
    monkeypatch.setattr("genesem_embed.datasets.cell_table._SAMPLE", 2)
    _cells(CD3=["0.5", "1.0", "bad"]).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(InputError, match="holds text"):
        read_cell_table(tmp_path / "cells.csv")


def test_a_fact_about_patients_is_no_marker(tmp_path):
    table = pd.concat([_cells(), _cells(ObjectNumber=[3, 4, 2])])
    table["age"] = [40, 40, 60] * 2
    table["empty"] = 0.0
    table["smoker"] = [True, True, False] * 2
    table.to_csv(tmp_path / "cells.csv", index=False)
    slide = read_cell_table(tmp_path / "cells.csv")
    assert list(slide.var["full_name"]) == ["CD3", "Ki / 67", "empty"]
    assert slide.obs["age"].tolist() == [40, 40, 60] * 2
    assert slide.obs["smoker"].tolist() == ["True", "True", "False"] * 2
    given = read_cell_table(tmp_path / "cells.csv", CellColumns(markers=("CD3", "age")))
    assert list(given.var_names) == ["CD3", "age"]
