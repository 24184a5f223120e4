import pytest
from typer.testing import CliRunner

from genesem_embed.datasets import load_slide
from genesem_train.cells.entry import fit_cells, resolve_cells
from genesem_train.cli import app
from genesem_train.errors import ConfigError


def test_the_command_line_stands_above_the_file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(
        'dataset = "cells.h5ad"\nmethod = "spatial2sentence"\n[cells]\nfolds = 3\nseeds = [4]\n[cells.heads]\nlr = 0.1'
    )
    named, config = resolve_cells(None, path, {"folds": 4, "status_key": None})
    assert named == "cells.h5ad"
    assert (config.folds, config.seeds, config.heads.lr, config.status_key) == (4, (4,), 0.1, None)
    assert resolve_cells("other.h5ad", path, {})[0] == "other.h5ad"


def test_no_data_set_or_a_wrong_setting_is_told(tmp_path):
    with pytest.raises(ConfigError, match="add --dataset"):
        resolve_cells(None, None, {})
    with pytest.raises(ConfigError, match="split is 'donor'; expected one of patient, image, cell"):
        resolve_cells("x.h5ad", None, {"split": "donor"})
    (tmp_path / "bad.toml").write_text("[cells]\nfold = 3")
    with pytest.raises(ConfigError, match="did you mean folds"):
        resolve_cells("x.h5ad", tmp_path / "bad.toml", {})


def test_a_result_repeats_from_its_own_config(place, slide, stored, tmp_path):
    slide.write_h5ad(tmp_path / "twelve.h5ad")
    loaded = load_slide(tmp_path / "twelve.h5ad", kind="markers")
    stored(place, loaded)
    given = {"folds": 2, "seeds": (1,), "status_key": "status", "neighbours": 3}
    where = {"store_place": str(place)}
    first = fit_cells(str(tmp_path / "twelve.h5ad"), given=given, out=tmp_path / "a", **where)
    again = fit_cells(None, path=tmp_path / "a" / "config.toml", given={}, out=tmp_path / "b", **where)
    assert again.metrics["mean"] == first.metrics["mean"]


def test_the_command_line_fits_and_ablates(place, slide, stored, tmp_path):
    slide.write_h5ad(tmp_path / "twelve.h5ad")
    stored(place, load_slide(tmp_path / "twelve.h5ad", kind="markers"))
    shared = ["--dataset", str(tmp_path / "twelve.h5ad"), "--store", str(place), "--folds", "2", "--seeds", "0"]
    fitted = CliRunner().invoke(
        app, ["fit", *shared, "--method", "spatial2sentence", "--epochs", "3", "--out", str(tmp_path / "r")]
    )
    assert fitted.exit_code == 0, fitted.output
    assert "baseline: majority" in fitted.stdout
    assert "report.html" in fitted.stdout
    page = (tmp_path / "r" / "report.html").read_text("utf-8")
    (tmp_path / "r" / "report.html").unlink()
    again = CliRunner().invoke(app, ["report", "--result", str(tmp_path / "r")])
    assert again.exit_code == 0, again.output
    assert (tmp_path / "r" / "report.html").read_text("utf-8").count("data:image/png") == page.count("data:image/png")
    scored = CliRunner().invoke(app, ["evaluate", "--result", str(tmp_path / "r"), "--label-key", "cell_type"])
    assert "360 of 360 cells have a known type" in scored.stdout
    needed = CliRunner().invoke(app, ["builds", *shared[:6], "--for", "markers", "--cells", "40"])
    assert "--variant 'occlude=CD3 sample=40'" in needed.stdout
    ablated = CliRunner().invoke(app, ["ablate", *shared, "--epochs", "3", "--out", str(tmp_path / "a")])
    assert ablated.exit_code == 0, ablated.output
    assert ablated.stdout.startswith("whole")
    assert "--variant k=3" in ablated.stdout


def test_options_of_a_network_are_refused_of_a_baseline(tmp_path):
    words = ["fit", "--dataset", "demo", "--method", "smooth-pca", "--out", str(tmp_path / "r")]
    done = CliRunner().invoke(app, [*words, "--fusion", "add", "--epochs", "3"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --fusion, --epochs would not be read; expected only with --method semst")


@pytest.mark.parametrize("command", ["fit", "ablate"])
def test_options_of_domains_are_refused_on_cells(command, tmp_path):
    words = [command, "--dataset", "cells.h5ad", "--method", "spatial2sentence", "--out", str(tmp_path / "r")]
    done = CliRunner().invoke(app, [*words, "--mode", "improved", "--n-domains", "9"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: --mode, --n-domains would not be read; expected only with --method semst")
    if command == "fit":
        done = CliRunner().invoke(app, [*words, "--dataset", "more.h5ad", "--resume"])
        assert done.stderr.startswith("error: --resume, a second --dataset would not be read")
    assert not (tmp_path / "r").exists()


def test_a_problem_is_one_line_and_exit_code_1(place, slide, stored, tmp_path):
    slide.write_h5ad(tmp_path / "twelve.h5ad")
    stored(place, load_slide(tmp_path / "twelve.h5ad", kind="markers"))
    words = ["fit", "--dataset", str(tmp_path / "twelve.h5ad"), "--store", str(place), "--method", "spatial2sentence"]
    done = CliRunner().invoke(app, [*words, "--status-key", "outcome", "--out", str(tmp_path / "r")])
    assert done.exit_code == 1
    assert done.stderr == (
        "error: the cells have no column 'outcome'; found: cell_type, status, patient, image; name one of them\n"
    )
    assert not (tmp_path / "r").exists()
