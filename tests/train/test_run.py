"""Store to report: the whole way on a small slide, what a result holds, and input that is refused with one line."""

import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from genesem_embed.datasets import preprocess
from genesem_embed.store import CollectionMissingError
from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.improved.inputs import field_inputs
from genesem_train.outputs import OWN_NAMES
from genesem_train.run import run_fit


def config(slide_file, **training):
    training = {"epochs": 4, "seeds": (0, 1)} | training
    return load_preset("demo", str(slide_file)).with_values("training", **training)


@pytest.fixture(scope="session")
def outcome(slide_file, store_place, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "quarter"
    seen = []
    result = run_fit(
        config(slide_file),
        store_place=store_place,
        out=out,
        on_epoch=lambda seed, done, total, losses: seen.append((seed, done, total, sorted(losses))),
    )
    return result, seen


def test_a_result_is_whole(outcome):
    result, _ = outcome
    assert {entry.name for entry in result.out.iterdir()} <= OWN_NAMES
    metrics = json.loads((result.out / "metrics.json").read_text("utf-8"))
    assert metrics == json.loads(json.dumps(result.metrics))
    assert metrics["n_domains"] == 7
    assert metrics["collection"].startswith("quarter.spot-symbols@")
    assert set(metrics["baseline"]) == {"pca", "smooth-pca"}
    assert len(metrics["seeds"]) == 2
    names = {"ari", "nmi", "acc", "f1_macro", "f1_weighted"}
    assert set(metrics["consensus"]) == set(metrics["mean"]) == set(metrics["sd"]) == names
    assert metrics["mean"]["ari"] == pytest.approx(np.mean([run["ari"] for run in metrics["seeds"]]))
    for plain in metrics["baseline"].values():
        assert set(plain) == names | {"mean", "sd"}
        assert set(plain["mean"]) == set(plain["sd"]) == names
    for name, found in metrics["over_baseline"].items():
        assert found["value"] == pytest.approx(metrics["consensus"]["ari"] - metrics["baseline"][name]["ari"])
        assert found["low"] < found["value"] < found["high"]
    assert metrics["timing"]["s_per_epoch"] > 0
    assert metrics["peak_rss_mb"] > 100


def test_the_annotated_slide_and_the_weights_can_be_read_back(outcome, slide_file):
    result, _ = outcome
    annotated = ad.read_h5ad(result.out / "result.h5ad")
    assert list(annotated.obs_names) == list(ad.read_h5ad(slide_file).obs_names)
    assert isinstance(annotated.obs["domain"].dtype, pd.CategoricalDtype)
    assert annotated.obsm["X_genesem"].shape == (annotated.n_obs, 64)
    weights = load_file(result.out / "model.safetensors")
    assert {name.split("/")[0] for name in weights} == {"seed-0", "seed-1", "scales", "centres"}


def test_progress_counts_epochs_over_all_seeds(outcome):
    _, seen = outcome
    assert [(seed, done, total) for seed, done, total, _ in seen] == [
        (seed, done, 8) for done, seed in enumerate([0] * 4 + [1] * 4, start=1)
    ]
    assert seen[0][3] == ["correlation", "spatial", "total", "zinb"]


def test_the_written_config_repeats_the_fit_exactly(outcome, store_place, tmp_path):
    result, _ = outcome
    again = CliRunner().invoke(
        app,
        ["fit", "--config", str(result.out / "config.toml"), "--store", store_place, "--out", str(tmp_path / "again")],
        catch_exceptions=False,
    )
    assert again.exit_code == 0
    repeated = json.loads((tmp_path / "again" / "metrics.json").read_text("utf-8"))
    assert repeated["seeds"] == result.metrics["seeds"]
    assert repeated["consensus"] == result.metrics["consensus"]
    written = tomllib.loads((result.out / "config.toml").read_text("utf-8"))
    assert written["training"]["seeds"] == [0, 1]


def test_labels_change_scores_and_nothing_else(outcome, slide_file, store_place, tmp_path):
    result, _ = outcome
    slide = ad.read_h5ad(slide_file)
    slide.obs["region"] = slide.obs["region"].sample(frac=1, random_state=0).to_numpy()
    # The same slide with its labels shuffled: the fingerprint covers spots, genes and counts.
    slide.write_h5ad(tmp_path / "quarter.h5ad")
    shuffled = run_fit(config(tmp_path / "quarter.h5ad"), store_place=store_place, out=tmp_path / "out")
    before, after = (ad.read_h5ad(folder / "result.h5ad") for folder in (result.out, shuffled.out))
    np.testing.assert_array_equal(before.obsm["X_genesem"], after.obsm["X_genesem"])
    assert list(before.obs["domain"]) == list(after.obs["domain"])
    assert shuffled.metrics["consensus"]["ari"] < 10


def test_without_labels_there_are_label_free_scores_only(slide_file, tmp_path):
    slide = ad.read_h5ad(slide_file)
    del slide.obs["region"]
    slide.write_h5ad(tmp_path / "bare.h5ad")
    settings = load_preset("default", str(tmp_path / "bare.h5ad"))
    settings = settings.with_values("training", epochs=2, seeds=(0,)).with_values("semantics", kind="none")
    result = run_fit(settings.with_values("data", n_domains=4), out=tmp_path / "out")
    assert set(result.metrics["consensus"]) == {"silhouette", "chaos", "pas"}
    # a baseline's domains are rated in the components that they were found in
    plain = run_fit(settings.with_values("data", n_domains=4).with_values(method="pca"), out=tmp_path / "plain")
    own = plain.metrics["mean"]["silhouette"]
    assert result.metrics["baseline"]["pca"]["mean"]["silhouette"] == pytest.approx(own)
    assert "collection" not in result.metrics


def test_unrelated_semantics_are_the_stored_vectors_of_unrelated_words(slide_file, store_place, tmp_path):
    settings = config(slide_file, epochs=1, seeds=(0,)).with_values("semantics", kind="unrelated")
    result = run_fit(settings, store_place=store_place, out=tmp_path / "out")
    assert result.metrics["collection"].startswith("quarter.unrelated-words@")
    with pytest.raises(CollectionMissingError, match="--recipe unrelated-words --top-genes 5"):
        run_fit(settings.with_values("semantics", top_genes=5), store_place=store_place, out=tmp_path / "other")


@pytest.mark.parametrize("method", ["pca", "smooth-pca"])
def test_a_baseline_is_a_method_like_any_other(slide_file, tmp_path, method):
    result = run_fit(config(slide_file).with_values(method=method), out=tmp_path / "out")
    assert result.metrics["method"] == method
    assert result.metrics["mean"] == pytest.approx(result.metrics["baseline"][method]["mean"])


def test_without_a_language_model_package_a_fit_works(slide_file, store_place, tmp_path, monkeypatch):
    """Also run by `nox -s bare`, where none is installed; here they are made impossible to import."""
    import sys

    for name in ("transformers", "accelerate", "bitsandbytes"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run_fit(config(slide_file, seeds=(0,)), store_place=store_place, out=tmp_path / "out")
    assert (result.out / "report.html").exists()


def test_a_fit_broken_off_goes_on_to_the_same_result(outcome, slide_file, store_place, tmp_path):
    whole, _ = outcome

    def stop(seed, done, total, losses):
        if done == 6:
            time.sleep(3)
            signal.raise_signal(signal.SIGINT)

    out = tmp_path / "quarter"
    with pytest.raises(KeyboardInterrupt):
        run_fit(config(slide_file), store_place=store_place, out=out, on_epoch=stop)
    assert not out.exists()
    assert list(tmp_path.iterdir()) == [tmp_path / ".quarter.checkpoints"]
    seen = []
    resumed = run_fit(
        config(slide_file),
        store_place=store_place,
        out=out,
        resume=True,
        on_epoch=lambda seed, done, total, losses: seen.append((seed, done)),
    )
    assert resumed.metrics["seeds"] == whole.metrics["seeds"]
    assert resumed.metrics["timing"]["fit_s"] > 3  # what it took before counts
    assert len(seen) < 8
    assert list(tmp_path.iterdir()) == [out]


def test_moved_spots_are_another_fit(slide_file, store_place, tmp_path):
    """Coordinates are no part of a slide's fingerprint, but make its graph."""

    def stop(seed, done, total, losses):
        if done == 2:
            signal.raise_signal(signal.SIGINT)

    moved = ad.read_h5ad(slide_file)
    place = tmp_path / "quarter.h5ad"
    moved.write_h5ad(place)
    with pytest.raises(KeyboardInterrupt):
        run_fit(config(place), store_place=store_place, out=tmp_path / "out", on_epoch=stop)
    moved.obsm["spatial"] = moved.obsm["spatial"][::-1]
    moved.write_h5ad(place)
    with pytest.raises(ConfigError, match="is of another fit"):
        run_fit(config(place), store_place=store_place, out=tmp_path / "out", resume=True)


def test_another_backbone_runs_the_same_way(slide_file, store_place, tmp_path):
    settings = load_preset("stagate", str(slide_file)).with_values("training", epochs=2, seeds=(0,))
    settings = settings.with_values("data", label_key="region").with_values("semantics", top_genes=10)
    result = run_fit(settings, store_place=store_place, out=tmp_path / "out")
    assert ad.read_h5ad(result.out / "result.h5ad").obsm["X_genesem"].shape[1] == 30
    page = (result.out / "report.html").read_text("utf-8")
    assert "Spatial domains by stagate with fsm, faithful" in page
    assert "a Gaussian mixture with one covariance for all domains" in page


def test_the_improved_mode_runs_the_same_way_and_says_so(slide_file, store_place, tmp_path):
    settings = load_preset("improved", str(slide_file)).with_values("training", epochs=3, seeds=(0, 1))
    settings = settings.with_values("data", label_key="region").with_values("semantics", top_genes=10)
    settings = settings.with_values("smoothing", slack=0.0).with_values("training", networks=2)

    def stop(seed, done, total, losses):
        assert (seed, total) == ((done - 1) // 6, 12)
        if done == 8:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_fit(settings, store_place=store_place, out=tmp_path / "out", on_epoch=stop)
    kept = tmp_path / ".out.checkpoints"
    assert [path.name for path in kept.iterdir()] == ["seed-2.pt"]  # the second seed's networks start from 2 and 3
    result = run_fit(settings, store_place=store_place, out=tmp_path / "out", resume=True)
    whole = run_fit(settings, store_place=store_place, out=tmp_path / "whole")
    assert result.metrics["seeds"] == whole.metrics["seeds"]
    slide = preprocess(ad.read_h5ad(slide_file), settings.preprocess)
    tight = field_inputs(slide.layers["counts"], slide.obsm["spatial"], slack=0.0).transforms
    assert np.array_equal(load_file(result.out / "model.safetensors")["field/shares"], tight.shares)
    assert result.metrics["mode"] == "improved"
    assert result.metrics["networks"] == 2
    assert result.metrics["graph"]["own_share"] == pytest.approx(tight.own_share)
    assert "Spatial domains by semst, improved" in (result.out / "report.html").read_text("utf-8")
    assert result.metrics["consensus"]["ari"] > result.metrics["baseline"]["pca"]["ari"]


def refused(*arguments):
    """Return the one line of a command that must fail with exit code 1."""
    done = CliRunner().invoke(app, ["fit", *map(str, arguments)])
    assert done.exit_code == 1, done.output
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    return lines[0]


def test_bad_input_is_one_line(slide_file, store_place, tmp_path):
    out = tmp_path / "out"
    base = ["--dataset", slide_file, "--out", out]
    assert "did you mean demo" in refused("--dataset", "demmo", "--out", out)
    assert "gone.h5ad" in refused("--dataset", tmp_path / "gone.h5ad", "--out", out)
    assert "layer_guess" in refused(*base, "--label-key", "layer_guess")
    assert "more spots than domains" in refused(*base, "--n-domains", 900, "--semantics", "none")
    assert "genesem-embed build" in refused(*base, "--n-domains", 7, "--store", store_place, "--top-genes", 5)
    assert "one of semst" in refused(*base, "--method", "magic")
    assert "one of fsm" in refused(*base, "--fusion", "glue")
    assert str(tmp_path / "nowhere") in refused(*base, "--n-domains", 7, "--store", tmp_path / "nowhere")
    assert "--group-key, --folds would not be read" in refused(*base, "--folds", "3", "--group-key", "patient")
    assert "take --clusterer kmeans" in refused(*base, "--mode", "improved", "--clusterer", "gmm")
    assert not out.exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here, where rights allow what the system refuses")
def test_a_place_that_takes_no_files_is_told_before_training(slide_file):
    arguments = ["--dataset", slide_file, "--semantics", "none", "--n-domains", 7, "--out", "/proc/result"]
    assert "--out /proc/result cannot be written" in refused(*arguments, "--epochs", 10**6)


@pytest.mark.parametrize("seeds", ["one", "0,0", "-1", ""])
def test_wrong_seeds_are_wrong_usage(slide_file, seeds):
    done = CliRunner().invoke(app, ["fit", "--dataset", str(slide_file), "--seeds", seeds])
    assert done.exit_code == 2


def test_a_job_that_is_terminated_leaves_its_checkpoint_alone(slide_file, tmp_path):
    """SIGTERM, as job schedulers send it."""
    command = [
        sys.executable,
        "-c",
        "from genesem_train.cli import main; main()",
        "fit",
        "--dataset",
        str(slide_file),
        "--semantics",
        "none",
    ]
    command += ["--n-domains", "7", "--seeds", "0", "--epochs", "1000000", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    kept, deadline = tmp_path / ".out.checkpoints", time.monotonic() + 120
    while not any(kept.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert [line for line in told.splitlines() if line.startswith("error: ")] == [
        "error: interrupted; nothing half-written was left: run again (a fit goes on with --resume)"
    ]
    assert list(tmp_path.iterdir()) == [kept]
