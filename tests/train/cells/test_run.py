import json
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import assign_folds, split_digest
from genesem_embed.store import Store
from genesem_train.cells.config import CellsConfig, HeadsConfig
from genesem_train.cells.run import run_cells
from genesem_train.errors import ConfigError, SlideMismatchError, TrainError
from genesem_train.outputs import load_weights

CONFIG = CellsConfig(
    status_key="status",
    folds=3,
    seeds=(0, 1),
    neighbours=4,
    heads=HeadsConfig(epochs=25, batch=64, hidden=32, lr=1e-2),
)


def run(place, slide, out, config=CONFIG):
    with Store.open(place) as store:
        return run_cells(slide, config, store=store, out=out, dataset="twelve")


def test_a_whole_comparison_from_store_to_folder(place, slide, stored, tmp_path):
    stored(place, slide, noise=0.2, warnings=["3 sentences dropped"])
    stored(place, slide, noise=2.0, k=0)
    stored(place, slide, noise=4.0, occlude=["CD3"], sample=100, ids=slide.obs_names[:100])
    stored(place, slide, noise=0.2, sections=["similar", "near", "dissimilar"])
    result = run(place, slide, tmp_path / "r")
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text("utf-8"))
    assert metrics["mean"]["type_accuracy"] > 90
    assert list(metrics["baseline"]) == [
        *("majority", "logistic on markers", "logistic on markers + 4 neighbours"),
        *("boosting on markers", "boosting on markers + 4 neighbours", "plain sentence, no context"),
    ]
    low, high = metrics["interval"]["type_accuracy"]
    assert low <= metrics["mean"]["type_accuracy"] <= high
    assert metrics["difference"]["plain sentence, no context"]["type_f1_macro"]["low"] > 0
    assert metrics["baseline"]["majority"]["type_balanced_accuracy"] == pytest.approx(25.0)
    assert any("1 patients have no status" in note for note in metrics["notes"])
    assert "3 sentences dropped" in metrics["notes"]
    left_out = {row["left_out"]: row["kind"] for row in metrics["occlusion"]}
    assert left_out == {"CD3": "marker", "distant": "section"}
    assert {path.stem for path in (tmp_path / "r" / "figures").iterdir()} == {
        *("methods", "confusion", "patients", "reliability", "occlusion")
    }
    confusion = pd.read_csv(tmp_path / "r" / "tables" / "confusion.csv", index_col=0)
    assert confusion.to_numpy().sum() == pytest.approx(slide.n_obs)
    assert len(pd.read_csv(tmp_path / "r" / "tables" / "patients.csv")) == 12
    images = pd.read_csv(tmp_path / "r" / "tables" / "images.csv")
    assert list(images.columns[:3]) == ["patient", "image", "status"]
    assert len(images) == 24
    assert images[["attention: free", "attention: relapse"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    for way in ("status", "status_attention", "status_image", "status_image_attention"):
        low, high = metrics["interval"][f"{way}_accuracy"]
        assert low <= metrics["mean"][f"{way}_accuracy"] <= high
        assert f"{way}_auc" in metrics["mean"]
    cells = ad.read_h5ad(tmp_path / "r" / "result.h5ad")
    assert cells.obsm["cell_type_probabilities"].sum(axis=1) == pytest.approx(1.0)
    assert (cells.obs["cell_type_predicted"] == cells.obs["cell_type"]).mean() > 0.9
    assert sorted(load_weights(tmp_path / "r" / "model.safetensors")) == [0, 1]
    assert result.metrics["seeds"][0]["seed"] == 0
    page = (tmp_path / "r" / "report.html").read_text("utf-8")
    assert page.count("data:image/png") == 5
    assert "spatial2sentence is ahead of plain sentence" in page


def test_without_status_or_plain_sentences_only_types_are_told(place, slide, stored, tmp_path):
    stored(place, slide)
    metrics = run(place, slide, tmp_path / "r", replace(CONFIG, status_key=None, seeds=(0,))).metrics
    assert not any(name.startswith("status") for name in metrics["mean"])
    assert "sd" not in metrics
    assert any("Whether context helps is not known" in note and "--cells k=0" in note for note in metrics["notes"])


def test_test_labels_change_no_prediction_of_their_own_fold(place, slide, stored, tmp_path):
    """Patients p02 and p03 are mislabelled; what other folds say about them must not move their own scores' inputs."""
    stored(place, slide)
    config = replace(CONFIG, seeds=(0,), status_key=None)
    first = run(place, slide, tmp_path / "a", config)
    patients = slide.obs["patient"].to_numpy()
    spoiled = slide.copy()
    spoiled.obs.loc[patients == "p02", "cell_type"] = "B"
    second = run(place, spoiled, tmp_path / "b", config)
    own = patients == "p02"
    assert np.array_equal(first.runs[0].types[own], second.runs[0].types[own])
    assert not np.array_equal(first.runs[0].types[~own], second.runs[0].types[~own])


def test_one_patient_a_status_class_makes_folds_impossible(place, slide, stored, tmp_path):
    stored(place, slide)
    slide.obs["status"] = np.where(slide.obs["patient"] == "p04", "relapse", "free")
    with pytest.raises(ValueError, match="single group"):
        run(place, slide, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_split_by_cell_learns_from_texts_made_for_it(place, slide, stored, tmp_path):
    status = pd.Categorical(slide.obs["status"])
    fold_of_cell = assign_folds(slide.obs_names, n_folds=2, seed=0, strata=status)
    split = {"by": "cell", "n_folds": 2, "seed": 0, "sha256": split_digest(fold_of_cell)}
    for fold in (0, 1):
        stored(place, slide, split={**split, "fold": fold})
    metrics = run(place, slide, tmp_path / "r", replace(CONFIG, split="cell", folds=2, seeds=(0,))).metrics
    assert metrics["split"]["by"] == "cell"
    assert "status_attention_accuracy" not in metrics["mean"]  # no patient lies wholly in a test part
    assert any("a patient may stand on both sides" in note for note in metrics["notes"])


def test_texts_scaled_on_all_cells_are_refused(place, slide, stored, tmp_path):
    stored(place, slide, scaling="zscore", scaling_scope="cohort")
    with pytest.raises(SlideMismatchError, match="scaled on all cells .scaling_scope=cohort., test cells included"):
        run(place, slide, tmp_path / "r")


def test_a_tuned_model_is_named_since_it_may_have_seen_the_labels(place, slide, stored, tmp_path):
    stored(place, slide, adapter="2" * 64)
    metrics = run(place, slide, tmp_path / "r", replace(CONFIG, seeds=(0,), status_key=None)).metrics
    assert any("tuned on labels" in note for note in metrics["notes"])


def test_a_sample_too_small_for_the_folds_is_refused(place, slide, stored, tmp_path):
    stored(place, slide)
    with pytest.raises(ConfigError, match="a sample of 4 cells leaves fold . without a cell; take a larger --sample"):
        run(place, slide, tmp_path / "r", replace(CONFIG, folds=5, sample=4))


def test_a_split_by_cell_refuses_texts_with_neighbours(place, slide, stored, tmp_path):
    stored(place, slide)
    with pytest.raises(SlideMismatchError, match="a split by cell puts the sentences of test cells into the texts"):
        run(place, slide, tmp_path / "r", replace(CONFIG, split="cell"))


def test_a_type_that_no_training_part_holds_is_named(place, slide, stored, tmp_path):
    rare = (slide.obs["patient"] == "p05") & (slide.obs["cell_type"] == "B")
    slide.obs.loc[rare, "cell_type"] = "NK"
    stored(place, slide)
    metrics = run(place, slide, tmp_path / "r", replace(CONFIG, seeds=(0,))).metrics
    assert any("1 folds test types that their training part lacks (NK)" in note for note in metrics["notes"])


def test_a_folder_of_somebody_else_is_refused_before_any_work(place, slide, tmp_path):
    Store.create(place).close()
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.tex").write_text("mine")
    with pytest.raises(TrainError, match="another --out"):
        run(place, slide, tmp_path / "r")
