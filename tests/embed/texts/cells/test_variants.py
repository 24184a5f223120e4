"""`genesem-embed build --variant`: several wordings of the same cells with one model."""

import json

import pytest
from typer.testing import CliRunner

from genesem_embed.cli import engines
from genesem_embed.cli.app import app


@pytest.fixture
def build(make_cells, tiny_models, tmp_path):
    slide = make_cells(cells_per_image=3)
    slide.write_h5ad(tmp_path / "cells.h5ad")
    model = tiny_models.tiny_bert(tmp_path / "tiny")
    shared = ["--dataset", tmp_path / "cells.h5ad", "--store", tmp_path / "s", "--model", model, "--device", "cpu"]
    shared += ["--recipe", "cell-sentences", "--cells", "scaling=raw", "--json"]
    return lambda *words: CliRunner().invoke(app, ["build", *map(str, [*shared, *words])])


def test_each_variant_is_a_collection_and_the_model_is_loaded_once(build, monkeypatch):
    loaded, load = [], engines.load
    monkeypatch.setattr(engines, "load", lambda *facts: loaded.append(facts) or load(*facts))
    done = build("--variant", "k=0", "--variant", "k=2 negatives=none")
    assert done.exit_code == 0, done.output
    parts = json.loads(done.stdout)["parts"]
    assert len({part["digest"] for part in parts}) == 2
    assert all(part["n_encoded"] for part in parts)
    assert len(loaded) == 1
    alone = json.loads(build("--cells", "k=0").stdout)
    assert (alone["digest"], alone["n_encoded"]) == (parts[0]["digest"], 0)


def test_a_variant_that_cannot_be_stops_before_the_first_build(build, tmp_path):
    done = build("--variant", "k=0", "--variant", "kk=2")
    assert done.exit_code == 1
    assert "no option 'kk'" in done.stderr
    assert not (tmp_path / "s").exists()
