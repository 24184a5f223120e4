"""A fitted model on another slide, and the scores of finished domains."""

import json
import shutil

import anndata as ad
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

from genesem_embed.datasets import load_slide
from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.prediction.fitted import load_fitted
from genesem_train.prediction.run import run_predict
from genesem_train.run import run_fit
from genesem_train.scores.evaluation import evaluate_result

pytestmark = pytest.mark.usefixtures("plain_latent_figure")


@pytest.fixture(scope="module")
def files(demo_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for name, start in (("fitted", 0), ("new", 1)):
        demo_slide[start::5].copy().write_h5ad(folder / f"{name}.h5ad")
    return folder


@pytest.fixture(scope="module")
def store(files, publish_spots, tmp_path_factory):
    place = tmp_path_factory.mktemp("stores") / "store"
    for name in ("fitted", "new"):
        publish_spots(place, load_slide(files / f"{name}.h5ad"))
    return str(place)


def settings(files, **semantics):
    config = load_preset("demo", str(files / "fitted.h5ad")).with_values("training", epochs=20, seeds=(0, 1, 2))
    config = config.with_values("model", hidden_dim=32, latent_dim=16).with_values("preprocess", n_hvg=100)
    return config.with_values("semantics", **semantics)


@pytest.fixture(scope="module")
def model(files, store, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "fitted"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
        run_fit(settings(files), store_place=store, out=out)
    return out


def test_the_fitted_slide_gets_its_own_domains_again(model, files, store, tmp_path):
    found = run_predict(model, str(files / "fitted.h5ad"), store_place=store, out=tmp_path / "out", label_key="region")
    fitted, again = (ad.read_h5ad(folder / "result.h5ad") for folder in (model, tmp_path / "out"))
    np.testing.assert_allclose(again.obsm["X_genesem"], fitted.obsm["X_genesem"], atol=1e-3)
    # every seed's domains are found again; the vote of the seeds is not quite their consensus
    before = json.loads((model / "metrics.json").read_text("utf-8"))["seeds"]
    assert [one["ari"] for one in found.metrics["seeds"]] == pytest.approx([one["ari"] for one in before], abs=3)
    assert found.metrics["genes"] == {"n_model": 100, "n_missing": 0, "missing": []}


def test_a_new_slide_gets_the_same_domains_by_name(model, files, store, tmp_path):
    found = run_predict(model, str(files / "new.h5ad"), store_place=store, out=tmp_path / "out", label_key="region")
    result = ad.read_h5ad(tmp_path / "out" / "result.h5ad")
    fitted = ad.read_h5ad(model / "result.h5ad")
    assert set(result.obs["domain"]) <= set(fitted.obs["domain"])
    # the same region is called by the same domain on both slides
    most = [
        slide.obs.groupby("region", observed=True)["domain"].agg(lambda d: d.mode()[0]) for slide in (fitted, result)
    ]
    assert (most[0].astype(str) == most[1].astype(str)).mean() > 0.5
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert metrics["consensus"]["ari"] == pytest.approx(
        100 * adjusted_rand_score(result.obs["region"], result.obs["domain"])
    )
    assert len(metrics["seeds"]) == 3
    assert found.metrics["collection"].startswith("new.spot-symbols@")
    assert result.obs["domain_confidence"].between(1 / 3, 1).all()
    assert (tmp_path / "out" / "figures" / "domains.png").exists()


def test_labels_of_the_new_slide_change_scores_alone(model, files, store, tmp_path):
    run_predict(model, str(files / "new.h5ad"), store_place=store, out=tmp_path / "with", label_key="region")
    bare = run_predict(model, str(files / "new.h5ad"), store_place=store, out=tmp_path / "without")
    assert "ari" not in bare.metrics["consensus"]
    one, other = (ad.read_h5ad(tmp_path / name / "result.h5ad").obs["domain"] for name in ("with", "without"))
    assert list(one) == list(other)


def test_missing_genes_are_counted_and_printed(model, files, store, publish_spots, tmp_path):
    genes = load_fitted(model)[0].genes
    part = ad.read_h5ad(files / "new.h5ad")
    part = part[:, ~part.var_names.isin(genes[:7])].copy()
    part.write_h5ad(tmp_path / "part.h5ad")
    publish_spots(tmp_path / "store", load_slide(tmp_path / "part.h5ad"))
    arguments = ["--dataset", str(tmp_path / "part.h5ad"), "--store", str(tmp_path / "store")]
    done = CliRunner().invoke(app, ["predict", "--model", str(model), *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert f"genes of the model: 100, missing on the slide: 7 ({', '.join(genes[:5])}, ...)" in done.stdout


def test_what_cannot_be_predicted_is_refused(model, files, store, tmp_path):
    with pytest.raises(ConfigError, match="is the fitted model itself"):
        run_predict(model, str(files / "new.h5ad"), store_place=store, out=model)
    with pytest.raises(ConfigError, match="holds no config.toml"):
        run_predict(tmp_path, str(files / "new.h5ad"), store_place=store)
    for name, value, words in [
        ("method", "pca", "fitted with method pca, which does not carry over"),
        ("mode", "improved", "has no 'loadings' of mode improved.*fit again"),
    ]:
        folder = shutil.copytree(model, tmp_path / name)
        lines = (model / "config.toml").read_text("utf-8").splitlines()
        lines = [f'{name} = "{value}"' if line.startswith(f"{name} = ") else line for line in lines]
        (folder / "config.toml").write_text("\n".join(lines))
        with pytest.raises(ConfigError, match=words):
            run_predict(folder, str(files / "new.h5ad"), store_place=store)
    cut = shutil.copytree(model, tmp_path / "cut")
    (cut / "metrics.json").write_text((model / "metrics.json").read_text("utf-8")[:300], "utf-8")
    with pytest.raises(ConfigError, match="metrics.json cannot be read"):
        run_predict(cut, str(files / "new.h5ad"), store_place=store)
    unscaled = shutil.copytree(model, tmp_path / "unscaled")
    text = (model / "config.toml").read_text("utf-8")
    assert 'scaling = "released"' in text
    (unscaled / "config.toml").write_text(text.replace('scaling = "released"', 'scaling = "log1p"'), "utf-8")
    with pytest.raises(ConfigError, match="divided its genes by deviations.*fit again"):
        run_predict(unscaled, str(files / "new.h5ad"), store_place=store)
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    for name in ("config.toml", "metrics.json"):
        (earlier / name).write_bytes((model / name).read_bytes())
    with pytest.raises(ConfigError, match="holds no fitted model"):
        run_predict(earlier, str(files / "new.h5ad"), store_place=store)
    (earlier / "model.safetensors").write_bytes(b"not one")
    with pytest.raises(ConfigError, match="cannot be read as a fitted model"):
        run_predict(earlier, str(files / "new.h5ad"), store_place=store)


def test_evaluate_gives_the_scores_of_the_fit(model):
    fitted = json.loads((model / "metrics.json").read_text("utf-8"))["consensus"]
    found = evaluate_result(model, "region")
    assert {name: found[name] for name in fitted} == pytest.approx(fitted)
    done = CliRunner().invoke(
        app, ["evaluate", "--result", str(model / "result.h5ad"), "--label-key", "region", "--json"]
    )
    assert json.loads(done.stdout)["ari"] == pytest.approx(fitted["ari"])
    text = CliRunner().invoke(app, ["evaluate", "--result", str(model), "--label-key", "region"])
    assert f"{fitted['ari']:13.2f}" in text.stdout


def test_what_cannot_be_evaluated_is_one_line(model, tmp_path):
    for arguments, words in [
        (["--result", str(tmp_path / "no.h5ad"), "--label-key", "region"], "is not there"),
        (["--result", str(model), "--label-key", "regions"], "did you mean 'region'"),
        (["--result", str(model / "config.toml"), "--label-key", "region"], "cannot be read as h5ad"),
    ]:
        done = CliRunner().invoke(app, ["evaluate", *arguments])
        assert done.exit_code == 1
        assert words in done.stderr
