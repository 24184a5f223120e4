"""A fit in mode improved on another slide: the left half of a simulated cortex shows the right half its layers."""

import json
import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from typer.testing import CliRunner

from genesem_embed.datasets import fingerprint, load_slide
from genesem_embed.store import CollectionMissingError, Store
from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.outputs import load_weights, save_weights
from genesem_train.prediction.run import run_predict
from genesem_train.run import run_fit

pytestmark = pytest.mark.usefixtures("plain_latent_figure")


@pytest.fixture(scope="module")
def files(demo_slide, tmp_path_factory):
    """Both halves of every other spot, off their grid so that no neighbours are equally far; and the left shuffled."""
    folder = tmp_path_factory.mktemp("slides")
    slide = demo_slide[::2].copy()
    rng = np.random.default_rng(0)
    slide.obsm["spatial"] = slide.obsm["spatial"] + rng.uniform(-20, 20, size=(slide.n_obs, 2))
    left = slide.obsm["spatial"][:, 0] < np.median(slide.obsm["spatial"][:, 0])
    slide[left].copy().write_h5ad(folder / "left.h5ad")
    slide[~left].copy().write_h5ad(folder / "right.h5ad")
    slide[left][rng.permutation(left.sum())].copy().write_h5ad(folder / "shuffled.h5ad")
    return folder


@pytest.fixture(scope="module")
def store(files, publish_spots, tmp_path_factory):
    place = tmp_path_factory.mktemp("stores") / "store"
    for name in ("left", "right"):
        publish_spots(place, load_slide(files / f"{name}.h5ad"), top_genes=20)
    publish_shuffled(place, load_slide(files / "shuffled.h5ad"))
    return str(place)


def publish_shuffled(place, slide):
    """Store the vectors of the left half for its spots in another order."""
    with Store.open(place, mode="a") as store:
        (left,) = (one for one in store.collections() if one.name == "left.spot-symbols")
        key_of = dict(zip(store.ids(left), store.keys(left), strict=True))
        store.publish_collection(
            name="shuffled.spot-symbols",
            unit="spot",
            recipe=left.recipe,
            space_id=left.space.id,
            slide={**left.slide, "name": "shuffled", "fingerprint": fingerprint(slide)},
            ids=list(slide.obs_names),
            keys=np.stack([key_of[name] for name in slide.obs_names]),
            notes={},
        )


@pytest.fixture(scope="module")
def model(files, store, tmp_path_factory):
    config = load_preset("improved", str(files / "left.h5ad")).with_values("training", epochs=60, seeds=(0, 1, 2))
    config = config.with_values("data", n_domains=7).with_values("model", hidden_dim=32, latent_dim=16)
    out = tmp_path_factory.mktemp("models") / "fitted"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
        run_fit(config, store_place=store, out=out)
    return out


def results(*folders):
    return [ad.read_h5ad(folder / "result.h5ad") for folder in folders]


def test_the_fitted_slide_gets_its_own_latents_and_domains_again(model, files, store, tmp_path):
    found = run_predict(model, str(files / "left.h5ad"), store_place=store, out=tmp_path / "out")
    fitted, again = results(model, tmp_path / "out")
    np.testing.assert_allclose(again.obsm["X_genesem"], fitted.obsm["X_genesem"], atol=1e-4)
    assert (again.obs["domain"].astype(str) == fitted.obs["domain"].astype(str)).mean() > 0.97
    np.testing.assert_allclose(again.X.toarray(), fitted.X.toarray(), rtol=1e-4)
    assert found.metrics["mode"] == "improved"
    assert found.metrics["genes"]["n_missing"] == 0


def test_shuffled_spots_get_their_own_domains(model, files, store, tmp_path):
    run_predict(model, str(files / "shuffled.h5ad"), store_place=store, out=tmp_path / "shuffled")
    run_predict(model, str(files / "left.h5ad"), store_place=store, out=tmp_path / "left")
    shuffled, left = results(tmp_path / "shuffled", tmp_path / "left")
    assert list(shuffled.obs_names) != list(left.obs_names)
    shuffled = shuffled[left.obs_names]
    np.testing.assert_allclose(shuffled.obsm["X_genesem"], left.obsm["X_genesem"], atol=1e-4)
    assert list(shuffled.obs["domain"]) == list(left.obs["domain"])


def test_the_other_half_of_the_tissue_gets_the_same_layers(model, files, store, tmp_path):
    found = run_predict(
        model, str(files / "right.h5ad"), store_place=store, out=tmp_path / "right", label_key="region"
    ).metrics
    assert found["consensus"]["ari"] > 60  # chance is 0
    assert len(found["seeds"]) == 3
    left, right = results(model, tmp_path / "right")
    # what a domain is called on the left, it is on the right; chance is one in seven
    region = pd.crosstab(left.obs["domain"].astype(str), left.obs["region"].astype(str)).idxmax(axis=1)
    assert (right.obs["domain"].astype(str).map(region) == right.obs["region"].astype(str)).mean() > 0.7
    assert right.obs["domain_confidence"].between(0, 1).all()
    assert right.obs["domain_confidence"].mean() > 0.8


def test_missing_genes_are_counted(model, files, store, publish_spots, tmp_path):
    part = ad.read_h5ad(files / "right.h5ad")
    part = part[:, 7:].copy()
    part.write_h5ad(tmp_path / "part.h5ad")
    publish_spots(tmp_path / "store", load_slide(tmp_path / "part.h5ad"), top_genes=20)
    arguments = ["--dataset", str(tmp_path / "part.h5ad"), "--store", str(tmp_path / "store"), "--json"]
    done = CliRunner().invoke(app, ["predict", "--model", str(model), *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    genes = json.loads(done.stdout)["genes"]
    assert genes["missing"] == list(ad.read_h5ad(files / "right.h5ad").var_names[:7])
    whole = ad.read_h5ad(model / "result.h5ad")
    assert genes["n_model"] == whole.n_vars


def test_a_spot_by_itself_is_refused(model, files, store, tmp_path):
    ad.read_h5ad(files / "right.h5ad")[:1].copy().write_h5ad(tmp_path / "spot.h5ad")
    with pytest.raises(ConfigError, match="has 1 spot; expected at least 2"):
        run_predict(model, str(tmp_path / "spot.h5ad"), store_place=store, out=tmp_path / "out")


def test_semantics_of_another_space_are_refused(model, files, publish_spots, make_space, tmp_path):
    publish_spots(tmp_path / "store", load_slide(files / "right.h5ad"), top_genes=20, precision="float16")
    with pytest.raises(CollectionMissingError, match="nothing is stored for slide right"):
        run_predict(model, str(files / "right.h5ad"), store_place=str(tmp_path / "store"), out=tmp_path / "out")


def without(model, folder, prefix):
    """Return a copy of the model's folder whose file lacks the tensors that begin so."""
    copy = shutil.copytree(model, folder)
    with safe_open(model / "model.safetensors", framework="pt") as file:
        names = [name for name in file.keys() if not name.startswith(prefix)]  # noqa: SIM118 (no mapping)
        save_file({name: file.get_tensor(name) for name in names}, copy / "model.safetensors", file.metadata())
    return copy


def test_a_fit_from_before_is_to_be_fitted_again(model, files, store, tmp_path):
    plain = shutil.copytree(model, tmp_path / "plain")
    save_weights(plain / "model.safetensors", load_weights(model / "model.safetensors"))
    half = [
        without(model, tmp_path / f"half-{n}", name) for n, name in enumerate(("embedding/1/", "field", "centres/1"))
    ]
    for folder in (plain, *half):
        with pytest.raises(ConfigError, match="fit again"):
            run_predict(folder, str(files / "right.h5ad"), store_place=store, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
