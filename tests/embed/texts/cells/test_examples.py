"""`genesem-embed examples`, and that `tune` learns from what it writes."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from genesem_embed.cli.app import app


@pytest.fixture
def call():
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def slide_file(make_cells, tmp_path):
    make_cells(cells_per_image=3).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_tune_takes_the_training_rows_of_a_fold(call, slide_file, tiny_models, tmp_path):
    table, model = tmp_path / "made" / "cells.parquet", tiny_models.tiny_qwen3(tmp_path / "tiny")
    keys = ("--label-key", "cell_type", "--status-key", "status", "--cells", "fold=0", "--cells", "folds=2")
    done = call("examples", "--dataset", slide_file, "--out", table, *keys, "--model", model)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"48 rows in {table}\n"
    rows = pd.read_parquet(table)
    assert rows["split"].value_counts().to_dict() == {"train": 24, "test": 24}
    assert set(rows["patient"][rows["split"] == "train"]).isdisjoint(rows["patient"][rows["split"] == "test"])
    tuned = call(
        *("tune", "--model", model, "--texts", table, "--out", tmp_path / "adapter", "--rank", 2),
        *("--batch-texts", 12, "--device", "cpu", "--json"),
    )
    assert tuned.exit_code == 0, tuned.output
    assert json.loads(tuned.stdout)["n_texts"] == 24


def test_without_a_fold_every_row_is_for_training_and_that_is_said(call, slide_file, tmp_path):
    words = ("examples", "--dataset", slide_file, "--out", tmp_path / "cells.jsonl", "--label-key", "cell_type")
    done = call(*words, "--cells", "scaling=raw")
    assert "note: no fold was named" in done.stdout
    refused = call(*words)
    assert refused.exit_code == 1
    assert "name one (--cells fold=0)" in refused.stderr
