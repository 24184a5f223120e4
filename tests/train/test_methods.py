"""What settings say reaches training and clustering, for every method."""

import anndata as ad
import numpy as np
import pytest

from genesem_embed.datasets import load_slide
from genesem_train.config import load_preset
from genesem_train.domains import gmm_domains, kmeans_domains, vote_smooth
from genesem_train.methods import seed_runs
from genesem_train.spots import select_spots
from genesem_train.training import parallel
from genesem_train.training.checkpoints import Checkpoints


def runs_of(config, tmp_path):
    """Return the spots and the runs of a fit without semantics, with seven domains."""
    config = config.with_values("semantics", kind="none").with_values("data", n_domains=7)
    slide = load_slide(config.dataset)
    spots = select_spots(slide, config)
    checkpoints = Checkpoints(folder=tmp_path / "checkpoints", stamp="s")
    return spots, dict(seed_runs(config, slide, spots, None, lambda *told: None, checkpoints))


@pytest.mark.parametrize(("preset", "clip_norm"), [("default", None), ("stagate", 5.0)])
def test_training_is_what_the_settings_say(slide_file, tmp_path, monkeypatch, preset, clip_norm):
    given = []
    fit = parallel.fit_backbone
    monkeypatch.setattr(parallel, "fit_backbone", lambda *parts, **named: given.append(named) or fit(*parts, **named))
    config = load_preset(preset, str(slide_file)).with_values("model", hidden_dim=8, latent_dim=6)
    config = config.with_values("training", lr=0.125, weight_decay=0.25, epochs=2, seeds=(3, 5), device="cpu")
    _, runs = runs_of(config, tmp_path)
    assert [*runs] == [named["seed"] for named in given] == [3, 5]
    wanted = {"lr": 0.125, "weight_decay": 0.25, "epochs": 2, "device": "cpu", "clip_norm": clip_norm}
    assert all({name: named[name] for name in wanted} == wanted for named in given)


@pytest.mark.parametrize(("clusterer", "cluster"), [("kmeans", kmeans_domains), ("gmm", gmm_domains)])
def test_domains_come_by_the_clusterer_and_the_vote_that_are_asked_for(slide_file, tmp_path, clusterer, cluster):
    config = load_preset("default", str(slide_file)).with_values("model", hidden_dim=8, latent_dim=6)
    config = config.with_values("training", epochs=2, seeds=(3,))
    config = config.with_values("domains", clusterer=clusterer, vote_neighbours=8)
    spots, runs = runs_of(config, tmp_path)
    found = cluster(runs[3].latent, 7, 3)
    assert np.array_equal(runs[3].domains, vote_smooth(found, spots.coords, 8))
    assert not np.array_equal(runs[3].domains, found)


def test_spots_without_a_label_are_left_out_where_that_is_asked_for(slide_file, tmp_path):
    slide = ad.read_h5ad(slide_file)
    slide.obs["region"] = slide.obs["region"].astype(object)
    slide.obs.loc[slide.obs_names[:20], "region"] = np.nan
    slide.write_h5ad(tmp_path / "some.h5ad")
    config = load_preset("default", str(tmp_path / "some.h5ad")).with_values("data", label_key="region")
    slide = load_slide(config.dataset)
    kept = [select_spots(slide, config.with_values("data", drop_unlabelled=drop)).data.n_obs for drop in (False, True)]
    assert kept[0] - kept[1] == 20
