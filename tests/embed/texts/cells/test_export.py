import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts import CellOptions, RecipeOptions, load_template
from genesem_embed.texts.cells.export import export_cells

TEMPLATE = load_template("cell-sentences", "context")
OPTIONS = RecipeOptions(cells=CellOptions(fold=0, folds=4, k=2))


def export(slide, path, options=OPTIONS, **keys):
    return export_cells(slide, options, TEMPLATE, path, **keys)


@pytest.fixture
def rows(cells, tmp_path):
    cells.obs.loc["cell0002", "cell_type"] = np.nan
    n_rows = export(cells, tmp_path / "cells.parquet", label_key="cell_type", status_key="status")
    found = pq.read_table(tmp_path / "cells.parquet").to_pylist()
    assert len(found) == n_rows
    return found


def test_one_row_per_cell_and_task_with_an_answer(cells, rows):
    by_task = {task: [row for row in rows if row["sample_type"] == task] for task in {r["sample_type"] for r in rows}}
    assert {task: len(found) for task, found in by_task.items()} == {
        "cell_type_prediction": 239,
        "clinical_status_prediction": 240,
    }
    for row in by_task["cell_type_prediction"]:
        assert row["response"] == cells.obs.loc[row["cell_name"], "cell_type"]
        assert row["model_input"].endswith("\nCell type:")


def test_the_answer_is_nowhere_in_the_question(rows):
    for row in rows:
        assert row["response"] not in row["model_input"]
        assert row["model_input"].startswith(TEMPLATE.system)
        assert f"Target cell: {row['cell_sentence']}\n" in row["model_input"]


def test_provenance(cells, rows):
    row = rows[0]
    assert (row["image"], row["patient"]) == ("img00", "p0")
    assert {(r["patient"], r["split"]) for r in rows if r["split"] == "test"} == {(held_out_patient(rows), "test")}
    assert row["neighbour_section"] == [name for name in ("similar", "near", "dissimilar", "distant") for _ in range(2)]
    for name, distance in zip(row["neighbour_name"], row["neighbour_distance"], strict=True):
        places = cells[[row["cell_name"], name]].obsm["spatial"]
        assert cells.obs.loc[name, "image"] == "img00"
        assert distance == pytest.approx(np.linalg.norm(places[0] - places[1]), abs=1e-3)
    assert len({r["recipe_sha256"] for r in rows}) == 2


def held_out_patient(rows):
    return next(row["patient"] for row in rows if row["split"] == "test")


def test_jsonl_holds_the_same(cells, rows, tmp_path):
    export(cells, tmp_path / "cells.jsonl", label_key="cell_type", status_key="status")
    assert [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text("utf-8").splitlines()] == rows


def test_a_folder_is_what_datasets_loads_from_disk(cells, rows, tmp_path):
    """The layout is that of `Dataset.save_to_disk`, which datasets 4 loads; the data are an Arrow stream."""
    n_rows = export(cells, tmp_path / "cells", label_key="cell_type", status_key="status")
    with pa.ipc.open_stream(tmp_path / "cells" / "data-00000-of-00001.arrow") as stream:
        assert stream.read_all().to_pylist() == rows
    state = json.loads((tmp_path / "cells" / "state.json").read_text("utf-8"))
    assert state["_data_files"] == [{"filename": "data-00000-of-00001.arrow"}]
    features = json.loads((tmp_path / "cells" / "dataset_info.json").read_text("utf-8"))["features"]
    assert list(features) == list(rows[0])
    assert n_rows == len(rows)
    with pytest.raises(InputError, match="exists already"):
        export(cells, tmp_path / "cells", label_key="cell_type")


def test_paired_layout_names_both_halves(cells, tmp_path):
    options = replace(OPTIONS, cells=replace(OPTIONS.cells, layout="paired", sample=3))
    assert export(cells, tmp_path / "cells.parquet", options, status_key="status") == 6
    names = pq.read_table(tmp_path / "cells.parquet")["cell_name"].to_pylist()
    assert [name.split("#")[1] for name in names] == ["positive", "negative"] * 3


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        (
            "cells.csv",
            {"label_key": "cell_type"},
            "cells.csv: expected .parquet, .jsonl, or no ending",
        ),
        ("cells.parquet", {}, "an export needs answers"),
        ("cells.parquet", {"label_key": "nothing"}, "nothing"),
    ],
    ids=["ending", "no answers", "no column"],
)
def test_what_cannot_be_exported_leaves_nothing_behind(cells, tmp_path, name, keys, message):
    with pytest.raises(InputError, match=message):
        export(cells, tmp_path / name, **keys)
    assert list(tmp_path.iterdir()) == []
