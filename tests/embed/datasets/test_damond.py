"""The Mendeley files, written small in exactly their form."""

import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import find_dataset, labels, load_slide
from genesem_embed.datasets.damond import read_damond
from genesem_embed.errors import InputError

METALS = ["In113", "Pr141", "Ir191", "Ir193", "Yb174"]
"""In the order of the stack; the panel lists them otherwise, and one more that was not kept."""


@pytest.fixture
def folder(tmp_path):
    """Return a folder of eleven channels' worth of files: two cores of two donors, five cells."""
    place = tmp_path / "damond-t1d"
    place.mkdir()
    panel = pd.DataFrame(
        {
            "channel": [1, 2, 3, 4, 5, 6],
            "MetalTag": ["Yb174", "Ir193", "Xe134", "In113", "Ir191", "Pr141"],
            "Target": ["PTPRN / IA-2", "Iridium 193", "empty", "Histone H3", "Iridium 191", "Insulin"],
            "clean_Target": ["PTPRN / IA-2", "Ir193", "", "H3", "Ir191", "INS"],
            "Clone": "",
            "full": [1, 1, 0, 1, 1, 1],
        }
    )
    panel.to_csv(place / "panel.csv", index=False)
    pd.Series(METALS).to_csv(place / "ChannelMass.csv", header=False, index=False)
    cells = pd.DataFrame(
        {
            "ImageNumber": [1, 1, 1, 2, 2],
            "ObjectNumber": [1, 2, 3, 1, 2],
            "AreaShape_Area": 9,
            "Location_Center_X": [1.5, 2.5, 3.5, 4.5, 5.5],
            "Location_Center_Y": [0.0, 1.0, 2.0, 3.0, 4.0],
            "Parent_Islets": [0, 1, 1, 0, 0],
        }
    )
    for number in (10, 2, 1, 3, 4):  # as text, c10 would come before c2
        cells[f"Intensity_MeanIntensity_CleanStack_c{number}"] = np.arange(5) + 100 * number
        cells[f"Intensity_MedianIntensity_CleanStack_c{number}"] = -1.0
    cells.to_csv(place / "All_Cells.csv", index=False)
    images = {
        "ImageNumber": [1, 2],
        "Metadata_Core": ["E02", "J05"],
        "Metadata_Slide": ["E", "J"],
        "Count_Cells": [3, 2],
    }
    pd.DataFrame(images).to_csv(place / "All_Image.csv", index=False)
    donors = {"slide": ["E", "J"], "part": "Tail", "case": [6126, 6228], "stage": ["Non-diabetic", "Onset"], "Age": 20}
    pd.DataFrame(donors).to_csv(place / "Donors.csv", index=False)
    types = {"core": "E02", "id": ["E02_1", "E02_3", "J05_2", "J05_1"], "CellCat": "islet"}
    types["CellType"] = ["beta", "alpha", "acinar", "beta"]
    pd.DataFrame(types).to_csv(place / "CellTypes.csv", index=False)
    return place


def test_the_files_are_joined(folder):
    slide = load_slide("damond-t1d", kind="markers", data_dir=folder.parent)
    assert list(slide.obs_names) == ["E02_1", "E02_2", "E02_3", "J05_1", "J05_2"]
    assert list(slide.var_names) == ["H3", "INS", "Ir191", "Ir193", "PTPRN-IA-2"]
    assert list(slide.var["metal"]) == METALS
    assert slide.var["full_name"].iloc[4] == "PTPRN / IA-2"
    expected = np.arange(5)[:, None] + 100.0 * np.array([1, 2, 3, 4, 10])
    np.testing.assert_array_equal(slide.X, expected)
    assert slide.X.dtype == np.float32
    assert labels(slide, "cell_type").tolist() == ["beta", np.nan, "alpha", "beta", "acinar"]
    assert slide.obs["image"].tolist() == ["E02"] * 3 + ["J05"] * 2
    assert slide.obs["patient"].tolist() == ["6126"] * 3 + ["6228"] * 2
    assert slide.obs["status"].tolist() == ["Non-diabetic"] * 3 + ["Onset"] * 2
    np.testing.assert_array_equal(slide.obsm["spatial"][:, 0], [1.5, 2.5, 3.5, 4.5, 5.5])
    assert slide.uns["genesem"]["name"] == "damond-t1d"


def test_reading_in_pieces_changes_nothing(folder, monkeypatch):
    whole = read_damond(folder)
    monkeypatch.setattr("genesem_embed.datasets.damond._CHUNK", 2)
    pieces = read_damond(folder)
    np.testing.assert_array_equal(whole.X, pieces.X)
    pd.testing.assert_frame_equal(whole.obs, pieces.obs)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("Donors.csv", lambda t: t.drop(columns="stage"), r"Donors\.csv lacks the column stage; it has: slide, part"),
        ("Donors.csv", lambda t: t[t["slide"] != "J"], r"Donors\.csv has no row for 1 Metadata_Slide .*first: J"),
        ("All_Image.csv", lambda t: t.iloc[:1], r"All_Image\.csv has no row for 1 image_number .*first: 2"),
        ("All_Cells.csv", lambda t: t.drop(columns="Location_Center_X"), "lacks the column Location_Center_X"),
        ("All_Cells.csv", lambda t: t.iloc[:, :8], "has 1 columns of mean intensity, .* 5 markers"),
        ("All_Cells.csv", lambda t: t.iloc[:0], "holds no cell"),
        ("panel.csv", lambda t: t.assign(MetalTag=t["MetalTag"].replace("In113", "Zr90")), "no channel for Zr90"),
    ],
)
def test_what_does_not_fit_is_told(folder, file, change, message):
    change(pd.read_csv(folder / file)).to_csv(folder / file, index=False)
    with pytest.raises(InputError, match=message):
        read_damond(folder)


@pytest.mark.parametrize("file", ["All_Cells.csv", "CellTypes.csv", "panel.csv", "ChannelMass.csv"])
def test_an_empty_file_is_told(folder, file):
    (folder / file).write_text("")
    with pytest.raises(InputError, match=f"{file} cannot be read as CSV"):
        read_damond(folder)


def test_a_text_among_the_numbers_is_told(folder):
    table = (folder / "All_Cells.csv").read_text().replace("4.5,", "here,")
    (folder / "All_Cells.csv").write_text(table)
    with pytest.raises(InputError, match="holds text where numbers are expected"):
        read_damond(folder)


def test_the_entry_names_the_files_that_are_read():
    files = {file.filename for file in find_dataset("damond-t1d").files}
    assert files == {"All_Cells.csv", "All_Image.csv", "CellTypes.csv", "Donors.csv", "panel.csv", "ChannelMass.csv"}
