import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from genesem_embed.store import CollectionMissingError, Store
from genesem_train.cells.baselines import MAKERS
from genesem_train.cells.config import CellsConfig, HeadsConfig
from genesem_train.cells.entry import predict_cells
from genesem_train.cells.evaluate import evaluate_cells
from genesem_train.cells.predict import load_fitted, predict_slide
from genesem_train.cells.run import run_cells
from genesem_train.errors import ConfigError


@pytest.fixture
def fitted(place, slide, stored, tmp_path, monkeypatch):
    """A fit of all patients but the last two, and those two as a cohort of their own without labels."""
    monkeypatch.setattr("genesem_train.cells.methods.MAKERS", {"logistic": MAKERS["logistic"]})
    config = CellsConfig(
        status_key="status", folds=2, seeds=(0,), heads=HeadsConfig(epochs=25, batch=64, hidden=32, lr=1e-2)
    )
    new = slide.obs["patient"].isin(["p10", "p11"]).to_numpy()
    known, unknown = slide[~new].copy(), slide[new].copy()
    for part in (known, unknown):
        part.uns["genesem"] = {"name": "part", "source": "simulated"}
    stored(place, known)
    with Store.open(place) as store:
        result = run_cells(known, config, store=store, out=tmp_path / "fit", dataset="known")
    return tmp_path / "fit", unknown, result


def predict(place, folder, slide, out):
    with Store.open(place) as store:
        return predict_slide(slide, load_fitted(folder), store=store, out=out, dataset="new.h5ad")


def test_a_fit_is_read_back_as_it_was(fitted, slide):
    folder, _, result = fitted
    models = load_fitted(folder).models
    vectors = np.random.default_rng(0).normal(size=(len(result.cohort.ids), 16)).astype(np.float32)
    everyone = np.arange(len(vectors))
    bags = {"patient": everyone, "image": everyone}
    for read, made in zip(models, result.models[0], strict=True):
        mine, theirs = (model.predict(vectors, result.cohort, everyone, bags) for model in (read, made))
        np.testing.assert_array_equal(mine.types, theirs.types)
        for level in ("patient", "image"):
            for bag, probs in theirs.attention[level].items():
                np.testing.assert_array_equal(mine.attention[level][bag], probs)


def test_a_new_cohort_needs_no_labels(place, fitted, stored, tmp_path):
    folder, new, _ = fitted
    truth = new.obs["cell_type"].to_numpy()
    del new.obs["cell_type"], new.obs["status"]
    stored(place, new)
    metrics = predict(place, folder, new, tmp_path / "p")
    assert "mean" not in metrics
    assert metrics["notes"] == []
    cells = ad.read_h5ad(tmp_path / "p" / "result.h5ad")
    assert (cells.obs["cell_type_predicted"].to_numpy() == truth).mean() > 0.9
    assert cells.obsm["status_probabilities"].sum(axis=1) == pytest.approx(1.0)
    patients = pd.read_csv(tmp_path / "p" / "tables" / "patients.csv")
    assert patients["patient"].tolist() == ["p10", "p11"]
    assert list(patients.columns)[2:] == ["mean: free", "mean: relapse", "attention: free", "attention: relapse"]
    assert len(pd.read_csv(tmp_path / "p" / "tables" / "images.csv")) == 4


def test_types_that_the_model_never_saw_are_told_and_not_scored(place, fitted, stored, tmp_path):
    folder, new, _ = fitted
    new.obs.loc[new.obs["cell_type"] == "B", "cell_type"] = "NK"
    n_unseen = int((new.obs["cell_type"] == "NK").sum())
    stored(place, new)
    metrics = predict(place, folder, new, tmp_path / "p")
    assert metrics["notes"] == [
        f"{n_unseen} cells have types that the model never saw (NK): it cannot name them, and no score counts them."
    ]
    assert metrics["mean"]["type_accuracy"] > 90
    assert json.loads((tmp_path / "p" / "metrics.json").read_text("utf-8"))["mean"] == metrics["mean"]


def test_another_wording_is_refused_with_the_build_that_helps(place, fitted, stored, tmp_path):
    folder, new, _ = fitted
    stored(place, new, k=3)
    with pytest.raises(CollectionMissingError, match="are stored in the wording and space of the fit; run: genesem-em"):
        predict(place, folder, new, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_markers_that_the_panels_do_not_share_are_told(place, fitted, stored, tmp_path):
    folder, new, _ = fitted
    stored(place, new, markers=["CD20", "CD3", "CD68", "keratin", "CD99"])
    notes = predict(place, folder, new, tmp_path / "p")["notes"]
    assert notes == [
        "1 of the model's 5 markers are not in this panel (Ki67).",
        "The panel names 1 markers that the model never read (CD99).",
    ]


def test_a_panel_that_shares_no_marker_is_refused(place, fitted, stored, tmp_path):
    folder, new, _ = fitted
    stored(place, new, markers=["a", "b"])
    with pytest.raises(ConfigError, match="shares no marker with the one that the model was fitted on"):
        predict(place, folder, new, tmp_path / "p")


def test_a_folder_without_a_fit_of_cells_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no metrics.json"):
        predict_cells(tmp_path, "new.h5ad")


def test_the_scores_of_a_fit_and_of_a_prediction_are_those_of_their_folders(place, fitted, stored, tmp_path):
    folder, new, result = fitted
    stored(place, new)
    metrics = predict(place, folder, new, tmp_path / "p")
    for place_of_result, scores in ((folder, result.metrics["mean"]), (tmp_path / "p", metrics["mean"])):
        found = evaluate_cells(place_of_result)
        assert found["scores"]["type_accuracy"] == pytest.approx(scores["type_accuracy"])
        assert found["scores"]["status_image_accuracy"] == pytest.approx(scores["status_image_accuracy"])
    with pytest.raises(ConfigError, match="no cell has a type that the model knows in column 'image'"):
        evaluate_cells(folder, label_key="image")
