"""A report made again from its folder is the one that the fit made."""

import json

import anndata as ad
import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.report.stored import remake_report, stored_inputs
from genesem_train.run import run_fit, sampled


@pytest.fixture(scope="module")
def result(slide_file, store_place, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "quarter"
    config = load_preset("demo", str(slide_file)).with_values("training", epochs=2, seeds=(0, 10, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
        run_fit(config, store_place=store_place, out=out)
    return out


@pytest.mark.usefixtures("plain_latent_figure")
def test_the_report_is_made_again_from_the_folder_alone(result, tmp_path):
    page = (result / "report.html").read_text("utf-8")
    before = {path.name: path.read_bytes() for path in (result / "figures").iterdir()}
    assert {"markers.png", "modulation.png", "losses.png"} <= set(before)
    for path in (result / "figures").iterdir():
        path.unlink()
    (result / "report.html").write_text("lost")
    done = CliRunner().invoke(app, ["report", "--result", str(result), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["figures"] == sorted(before)
    after = {path.name: path.read_bytes() for path in (result / "figures").iterdir()}
    assert after == before
    assert "Marker genes" in page
    assert (result / "report.html").read_text("utf-8") == page
    assert {path.name for path in result.iterdir()} == {
        *("metrics.json", "config.toml", "result.h5ad", "model.safetensors", "figures", "report.html", "tables")
    }


def test_markers_are_written_as_csv(result):
    lines = (result / "tables" / "markers.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("domain,rank,gene,score,log2_fold_change,p_adjusted,share_in,share_out")
    kept = stored_inputs(result)
    assert len(lines) == 1 + len(kept.markers.table)
    assert set(kept.markers.table["domain"]) == {str(domain) for domain in np.unique(kept.domains)}


def test_a_folder_without_a_result_is_told(result, tmp_path):
    with pytest.raises(ConfigError, match="has no result.h5ad, metrics.json, config.toml"):
        remake_report(tmp_path)
    slide = ad.read_h5ad(result / "result.h5ad")
    del slide.uns["genesem_report"]
    for name in ("metrics.json", "config.toml"):
        (tmp_path / name).write_bytes((result / name).read_bytes())
    slide.write_h5ad(tmp_path / "result.h5ad")
    with pytest.raises(ConfigError, match="does not keep what a report is drawn from"):
        remake_report(tmp_path)


def test_a_sample_of_the_modulation_is_kept():
    values = np.arange(10_000.0)[:, None] / 10_000
    kept = sampled(values)
    assert kept.shape == (4096, 1)
    assert kept.dtype == np.float16
    assert (np.diff(kept[:, 0]) >= 0).all()
    assert sampled(None) is None
