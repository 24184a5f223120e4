"""The ablation of a slide: its grid, that it goes on where it was stopped, and what its tables say."""

import json
from pathlib import Path

import anndata as ad
import pandas as pd
import pytest
from typer.testing import CliRunner

from genesem_embed.datasets import load_slide
from genesem_embed.store import Store
from genesem_train.ablations import run_domain_ablations, terminal_lines
from genesem_train.ablations.grid import make_grid
from genesem_train.ablations.table import compare
from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError


@pytest.fixture(scope="module")
def store(tmp_path_factory, slide_file, publish_spots):
    place = tmp_path_factory.mktemp("ablation") / "store"
    slide = load_slide(slide_file)
    builds = [("spot-symbols", 10), ("spot-symbols", 5), ("unrelated-words", 10)]
    for seed, (recipe, top_genes) in enumerate(builds):
        publish_spots(place, slide, recipe=recipe, top_genes=top_genes, seed=seed)
    return str(place)


def settings(path):
    config = load_preset("demo", str(path)).with_values("training", epochs=2, seeds=(0, 1))
    return config.with_values("preprocess", n_hvg=60).with_values("model", hidden_dim=8, latent_dim=4)


@pytest.fixture(scope="module")
def outcome(slide_file, store, tmp_path_factory):
    out = tmp_path_factory.mktemp("ablation") / "out"
    return run_domain_ablations(settings(slide_file), store_place=store, out=out), out


def test_every_variant_is_there_and_what_is_missing_has_its_command(outcome):
    result, _ = outcome
    assert list(result["rows"]) == [
        *("none", "as configured", "fusion concat", "fusion add", "fusion cross-attention"),
        *("random", "unrelated", "top 5 genes"),
    ]
    assert list(result["missing"]) == ["top 20 genes", "top 30 genes", "top 50 genes", "gene-summaries"]
    assert "--recipe spot-symbols --top-genes 30" in result["missing"]["top 30 genes"]
    row = result["rows"]["unrelated"]
    assert len(row["seeds"]) == 2
    pairs = zip(row["seeds"], result["rows"]["none"]["seeds"], strict=True)
    gap = sum(one["ari"] - other["ari"] for one, other in pairs) / 2
    assert row["difference"]["ari"]["value"] == pytest.approx(gap)
    assert row["difference"]["ari"]["low"] <= gap <= row["difference"]["ari"]["high"]
    assert result["rows"]["none"]["difference"] == {}


def test_variants_differ(outcome):
    rows = outcome[0]["rows"]
    assert len({json.dumps(row["seeds"]) for row in rows.values()}) == len(rows)


def test_the_tables_are_written(outcome):
    result, out = outcome
    assert json.loads((out / "ablations.json").read_text("utf-8")) == json.loads(json.dumps(result))
    table = pd.read_csv(out / "ablations.csv").set_index("variant")
    assert table.loc["random", "ari"] == pytest.approx(result["rows"]["random"]["mean"]["ari"])
    assert table.loc["random", "ari_change_low"] <= table.loc["random", "ari_change"]
    assert "| unrelated |" in (out / "ablations.md").read_text("utf-8")
    assert (out / "ablations.png").read_bytes().startswith(b"\x89PNG")


def test_run_again_it_fits_what_is_not_there(outcome, slide_file, store):
    result, out = outcome
    fits = sorted((out / "fits").glob("*.json"))
    assert len(fits) == 16
    lost = fits[3]
    lost.unlink()
    seen = []
    again = run_domain_ablations(
        settings(slide_file), store_place=store, out=out, on_epoch=lambda seed, done, *_: seen.append((seed, done))
    )
    assert again == result
    assert len(seen) == 2
    assert lost.exists()
    # another length of training is another fit
    longer = settings(slide_file).with_values("training", epochs=3, seeds=(0,))
    run_domain_ablations(longer, store_place=store, out=out, tables=(), on_epoch=lambda *_: seen.append(0))
    assert len(seen) == 2 + 2 * 3


def test_a_changed_annotation_changes_every_score_and_refits_nothing(slide_file, store, tmp_path):
    slide, place = ad.read_h5ad(slide_file), tmp_path / "quarter.h5ad"
    slide.write_h5ad(place)
    config = settings(place)
    run_domain_ablations(config, store_place=store, out=tmp_path / "out", tables=("fusion",))
    slide.obs["region"] = slide.obs["region"].to_numpy()[::-1]
    slide.write_h5ad(place)
    seen = []
    again = run_domain_ablations(
        config, store_place=store, out=tmp_path / "out", tables=("fusion",), on_epoch=lambda *_: seen.append(0)
    )
    fresh = run_domain_ablations(config, store_place=store, out=tmp_path / "fresh", tables=("fusion",))
    assert again["rows"] == fresh["rows"]
    assert seen == []


def test_without_labels_it_says_so(slide_file, store, tmp_path):
    bare = ad.read_h5ad(slide_file)
    del bare.obs["region"]
    bare.write_h5ad(tmp_path / "quarter.h5ad")
    config = load_preset("default", str(tmp_path / "quarter.h5ad")).with_values("data", n_domains=4)
    config = config.with_values("semantics", top_genes=10).with_values("preprocess", n_hvg=60)
    config = config.with_values("training", epochs=1, seeds=(0, 1))
    found = run_domain_ablations(config, store_place=store, out=tmp_path / "out", tables=("semantics",))
    assert {"chaos", "pas"} <= set(found["rows"]["none"]["mean"])
    assert "ari" not in found["rows"]["none"]["mean"]
    assert found["rows"]["none"]["agreement"] <= 100
    assert any("No column of labels was named" in line for line in terminal_lines(found))


def test_what_cannot_be_compared_is_refused(slide_file, store, tmp_path):
    with pytest.raises(ConfigError, match="expected some of fusion, semantics"):
        run_domain_ablations(settings(slide_file), store_place=store, out=tmp_path, tables=("fusions",))
    for section, values in (("model", {"fusion": "none"}), ("semantics", {"kind": "random"})):
        without = settings(slide_file).with_values(section, **values)
        with pytest.raises(ConfigError, match="nothing to compare"):
            run_domain_ablations(without, store_place=store, out=tmp_path)
    (tmp_path / "metrics.json").write_text("{}")  # a fit's folder
    with pytest.raises(ConfigError, match="holds what this command does not write .metrics.json."):
        run_domain_ablations(settings(slide_file), store_place=store, out=tmp_path)
    with pytest.raises(ConfigError, match="takes no semantics"):
        run_domain_ablations(settings(slide_file).with_values(method="pca"), store_place=store, out=tmp_path)


def test_encoders_and_texts_come_from_the_store(slide_file, store, publish_spots, tmp_path):
    place = tmp_path / "store"
    slide = load_slide(slide_file)
    publish_spots(place, slide)
    publish_spots(place, slide, precision="float16")
    with Store.open(place) as opened:
        stored = opened.collections()
    base = next(one for one in stored if one.space.precision == "float32")
    other = next(one for one in stored if one.space.precision == "float16")
    grid = make_grid(base, stored, fusion="fsm", top_genes=10, tables=("encoder",))
    assert [one.name for one in grid.variants] == [
        "none",
        "as configured",
        f"encoder tests/made-up {other.space.id[:8]}",
    ]
    assert grid.variants[2].semantics["space"] == other.space.id


def test_differences_are_paired_by_seed():
    rows = {
        "none": {"seeds": [{"seed": 0, "ari": 10.0}, {"seed": 1, "ari": 30.0}]},
        "one": {"seeds": [{"seed": 0, "ari": 11.0}, {"seed": 1, "ari": 32.0}]},
    }
    row = compare(rows, "none")["one"]
    assert row["mean"] == {"ari": 21.5}
    assert row["difference"]["ari"] == {"value": 1.5, "low": 1.0, "high": 2.0}
    alone = {name: {"seeds": row["seeds"][:1]} for name, row in rows.items()}
    assert compare(alone, "none")["one"]["difference"] == {}


def test_the_command_line(slide_file, store, tmp_path):
    arguments = ["--dataset", str(slide_file), "--preset", "demo", "--store", store, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(
        app, ["ablate", *arguments, "--seeds", "0", "--epochs", "1", "--tables", "semantics", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["rows"]) == {"none", "as configured", "random", "unrelated"}
    assert Path(tmp_path / "out" / "ablations.png").exists()
