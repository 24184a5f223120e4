import json
import tomllib
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import torch

from genesem_train.errors import ConfigError
from genesem_train.outputs import check_out, default_out, load_weights, replaced_folder, write_metrics, write_result
from genesem_train.report import ReportInput
from genesem_train.scores.evaluation import evaluate_result


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return ReportInput(
        name="six",
        coords=rng.random((12, 2)),
        domains=np.repeat([0, 1], 6),
        confidence=np.linspace(0.5, 1, 12),
        latent=rng.random((12, 3)),
        metrics={"method": "semst", "dataset": "six", "seeds": [{"seed": 0, "silhouette": np.float32(0.5)}]},
        config={"method": "semst", "dataset": "six", "training": {"epochs": 3}},
    )


@pytest.fixture
def slide():
    return ad.AnnData(np.ones((12, 4), dtype=np.float32), uns={"genesem": {"name": "six"}})


@pytest.fixture(autouse=True)
def no_umap(monkeypatch):
    monkeypatch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])


def test_a_result_holds_what_the_design_names(inputs, slide, tmp_path):
    weights = {0: {"layer.weight": torch.arange(6.0).reshape(2, 3).T}, 1: {"layer.weight": torch.zeros(3, 2)}}
    report = write_result(tmp_path / "r", inputs, slide=slide, weights=weights)
    assert report == tmp_path / "r" / "report.html"
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        *("metrics.json", "config.toml", "result.h5ad", "model.safetensors", "figures", "report.html")
    }
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text("utf-8"))
    assert metrics["seeds"] == [{"seed": 0, "silhouette": 0.5}]
    assert "mean" not in metrics
    assert tomllib.loads((tmp_path / "r" / "config.toml").read_text("utf-8")) == inputs.config
    result = ad.read_h5ad(tmp_path / "r" / "result.h5ad")
    assert result.obs["domain"].tolist() == ["0"] * 6 + ["1"] * 6
    assert result.obs["domain"].dtype == "category"
    assert result.obs["domain_confidence"].to_numpy() == pytest.approx(inputs.confidence)
    assert result.obsm["X_genesem"] == pytest.approx(inputs.latent)
    read = load_weights(tmp_path / "r" / "model.safetensors")
    assert torch.equal(read[0]["layer.weight"], weights[0]["layer.weight"])
    assert list(tmp_path.iterdir()) == [tmp_path / "r"]
    assert len({path.stat().st_mode for path in (tmp_path / "r").iterdir() if path.is_file()}) == 1
    assert "domain" not in slide.obs


def test_an_earlier_result_is_replaced_and_a_method_without_weights_writes_none(inputs, slide, tmp_path):
    write_result(tmp_path / "r", inputs, slide=slide, weights={0: {"w": torch.ones(1)}})
    write_result(tmp_path / "r", inputs, slide=slide, weights={})
    assert not (tmp_path / "r" / "model.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_failure_leaves_the_earlier_result_and_no_debris(tmp_path):
    with replaced_folder(tmp_path / "r") as folder:
        (folder / "metrics.json").write_text("{}")
    with pytest.raises(ZeroDivisionError), replaced_folder(tmp_path / "r") as folder:
        (folder / "report.html").write_text(str(1 / 0))
    assert [path.name for path in tmp_path.rglob("*")] == ["r", "metrics.json"]


def test_the_earlier_result_is_back_where_the_exchange_is_interrupted(tmp_path, monkeypatch):
    with replaced_folder(tmp_path / "r") as folder:
        (folder / "metrics.json").write_text("{}")
    rename, asked = Path.rename, []

    def interrupted(path, target):
        asked.append(path)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replaced_folder(tmp_path / "r"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["r", "metrics.json"]


@pytest.mark.parametrize("names", [["thesis.tex"], ["metrics.json", "thesis.tex"], ["figures"]], ids="-".join)
def test_a_folder_that_no_fit_wrote_is_refused(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="another --out"):
        check_out(tmp_path)
    assert len(list(tmp_path.iterdir())) == len(names)


def test_the_folder_that_one_is_in_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="the folder that you are in"):
        check_out(Path())


def test_a_file_is_refused_and_an_empty_folder_is_not(tmp_path):
    check_out(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        check_out(tmp_path / "file")


def test_numbers_that_are_not_finite_never_reach_the_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_metrics(tmp_path / "metrics.json", {"mean": {"ari": float("nan")}})
    with pytest.raises(TypeError, match="ndarray"):
        write_metrics(tmp_path / "metrics.json", {"mean": np.zeros(2)})


def test_a_column_of_the_name_that_a_fit_writes_is_kept_beside_it(inputs, slide, tmp_path):
    slide.obs["domain"] = ["mine"] * slide.n_obs
    write_result(tmp_path / "r", inputs, slide=slide, weights={})
    result = ad.read_h5ad(tmp_path / "r" / "result.h5ad")
    assert result.obs["domain_given"].tolist() == ["mine"] * slide.n_obs
    assert set(result.obs["domain"]) != {"mine"}
    with pytest.raises(
        ConfigError, match="the domains themselves; the column that the slide came with is domain_given"
    ):
        evaluate_result(tmp_path / "r", "domain")


def test_the_result_of_another_slide_is_not_replaced_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert default_out("bins", ["a/bins.h5ad"]) == Path("results/bins")
    Path("results/bins").mkdir(parents=True)
    Path("results/bins/config.toml").write_text('dataset = "a/bins.h5ad"')
    assert default_out("bins", [str(tmp_path / "a" / "bins.h5ad")]) == Path("results/bins")
    with pytest.raises(ConfigError, match=r"holds the result of another slide \(a/bins.h5ad\); give --out"):
        default_out("bins", ["b/bins.h5ad"])
