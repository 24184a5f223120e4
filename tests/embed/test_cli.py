"""The command line from outside: a build, the same build again, and input that is refused with one line."""

import json

import anndata as ad
import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_embed.cli import app


@pytest.fixture(scope="session")
def slide_file(demo_slide, tmp_path_factory):
    """Return an h5ad of forty spots of the demo slide."""
    path = tmp_path_factory.mktemp("slides") / "forty.h5ad"
    demo_slide[::38].copy().write_h5ad(path)
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def refused(*arguments):
    """Return the one line of a command that must fail with exit code 1."""
    done = invoke(*arguments)
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


def test_a_build_says_what_it_did_and_the_store_can_be_looked_at(slide_file, tmp_path):
    store = tmp_path / "store"
    build = ["build", "--dataset", slide_file, "--store", store, "--model", "minilm", "--top-genes", 3, "--json"]
    planned = json.loads(invoke(*build, "--dry-run").stdout)
    assert not store.exists()
    first = json.loads(invoke(*build).stdout)
    second = json.loads(invoke(*build).stdout)
    assert planned["n_left"] == first["n_encoded"] == second["n_stored"] == first["n_unique"] > 30
    assert (second["n_encoded"], second["digest"]) == (0, first["digest"])
    assert json.loads(invoke("info", "--store", store, "--json").stdout)["n_vectors"] == first["n_unique"]
    assert "forty.spot-symbols" in invoke("ls", "--store", store).stdout
    counted = invoke("query", "SELECT count(*) AS n FROM vectors", "--store", store, "--json")
    assert json.loads(counted.stdout)["rows"] == [{"n": first["n_unique"]}]
    assert "0 problems" in invoke("verify", "--store", store).stdout


def altered(slide_file, tmp_path, change):
    slide = ad.read_h5ad(slide_file)
    change(slide)
    path = tmp_path / "altered.h5ad"
    slide.write_h5ad(path)
    return path


def without_coordinates(slide):
    del slide.obsm["spatial"]


def with_one_coordinate(slide):
    slide.obsm["spatial"] = slide.obsm["spatial"][:, :1]


def with_missing_coordinates(slide):
    slide.obsm["spatial"][:3] = np.nan


def normalised(slide):
    slide.X = slide.X.astype(np.float32) / 7


def without_counts(slide):
    slide.X = slide.X * 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without_coordinates, "spatial"),
        (with_one_coordinate, "spatial"),
        (with_missing_coordinates, "3"),
        (normalised, "--counts-layer"),
        (without_counts, "every count is zero"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_slide_that_cannot_be_used_is_one_line(slide_file, tmp_path, change, expected):
    path = altered(slide_file, tmp_path, change)
    assert expected in refused("build", "--dataset", path, "--store", tmp_path / "s", "--model", "minilm")
    assert not (tmp_path / "s").exists()


def test_what_nobody_knows_is_one_line(slide_file, tmp_path):
    store = tmp_path / "s"
    build = ["build", "--dataset", slide_file, "--store", store]
    assert "did you mean demo" in refused("build", "--dataset", "demmo", "--store", store)
    assert "spot-symbols" in refused(*build, "--recipe", "spot-symbol", "--model", "minilm")
    assert "--model minilm" in refused(*build, "--model", "nobody/has-this-model")
    cut = tmp_path / "cut.h5ad"
    cut.write_bytes(slide_file.read_bytes()[:2000])
    assert "cut.h5ad" in refused("build", "--dataset", cut, "--store", store, "--model", "minilm")
    assert not store.exists()


def test_a_folder_that_is_no_store_or_a_newer_one_is_one_line(slide_file, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    build = ["build", "--dataset", slide_file, "--model", "minilm", "--store"]
    assert "photos" in refused(*build, tmp_path / "photos")
    assert "photos" in refused("verify", "--store", tmp_path / "photos")
    assert invoke(*build, tmp_path / "new", "--top-genes", 1, "--limit", 1).exit_code == 0
    mark = tmp_path / "new" / "store.json"
    facts = json.loads(mark.read_text("utf-8"))
    version = next(name for name, value in facts.items() if isinstance(value, int))
    mark.write_text(json.dumps(facts | {version: facts[version] + 1}), "utf-8")
    assert "upgrade genesem-embed" in refused("info", "--store", tmp_path / "new")


def test_options_of_cells_are_refused_of_spots(tmp_path):
    done = CliRunner().invoke(app, ["build", "--dataset", "demo", "--store", str(tmp_path / "s"), "--cells", "k=3"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --cells and --variant would not be read by spot-symbols")
    assert not (tmp_path / "s").exists()
