import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import draw_sample
from genesem_embed.store import CollectionMissingError, Store
from genesem_embed.texts.cells.options import CellOptions
from genesem_embed.texts.cells.parse import parse_cell_options
from genesem_train.cells import ablate
from genesem_train.cells.ablate import ABLATIONS, run_ablations
from genesem_train.cells.config import CellsConfig, HeadsConfig
from genesem_train.cells.wording import DEFAULTS, flags, plain_json, words

CONFIG = CellsConfig(folds=2, seeds=(0,), heads=HeadsConfig(epochs=8, batch=64, hidden=16, lr=1e-2))


def run(place, slide, out):
    with Store.open(place) as store:
        chosen = store.collections()[0]
        assert chosen.name == "twelve"
        return run_ablations(slide, CONFIG, store=store, out=out, dataset="twelve.h5ad")


def test_stored_wordings_are_compared_and_the_others_named(place, slide, stored, tmp_path):
    stored(place, slide, noise=0.2)
    stored(place, slide, noise=5.0, k=0)
    stored(place, slide, noise=1.0, sections=["similar", "dissimilar"])
    found = run(place, slide, tmp_path / "a")
    assert list(found["rows"]) == ["whole", "no spatial", "k = 0", "k = 1"]
    change = found["rows"]["k = 0"]["difference"]["type_accuracy"]
    assert change["high"] < 0
    assert found["rows"]["whole"]["difference"]["type_accuracy"]["value"] == 0
    assert found["missing"]["k = 3"] == {"k": 3}
    assert found["build"].startswith("genesem-embed build --dataset twelve.h5ad --store")
    assert " --cells folds=2 " in found["build"]
    assert "--variant k=3 --variant k=5 " in found["build"]
    assert "--variant 'negatives=paper-like k=3 negative_window=4-6'" in found["build"]
    assert found["build"].endswith("--model test --pooling mean --max-tokens 256 --precision float32")
    table = pd.read_csv(tmp_path / "a" / "ablations.csv")
    assert table["ablation"].tolist() == list(found["rows"])


def test_a_second_run_reads_back_what_was_fitted(place, slide, stored, tmp_path, monkeypatch):
    stored(place, slide)
    first = run(place, slide, tmp_path / "a")
    monkeypatch.setattr(ablate, "predict_sentences", lambda *args: pytest.fail("fitted again"))
    assert json.dumps(run(place, slide, tmp_path / "a")) == json.dumps(first)


def test_types_that_changed_are_another_comparison(place, slide, stored, tmp_path):
    stored(place, slide)
    first = run(place, slide, tmp_path / "a")
    relabelled = slide.copy()
    relabelled.obs["cell_type"] = np.random.default_rng(0).permutation(slide.obs["cell_type"].to_numpy())
    again = run(place, relabelled, tmp_path / "a")
    assert again["rows"]["whole"]["mean"]["type_accuracy"] < first["rows"]["whole"]["mean"]["type_accuracy"] - 20
    assert again == run(place, relabelled, tmp_path / "fresh")


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("no spatial", " --cells sections=similar,dissimilar"),
        ("negative ranks 4-6", " --cells negatives=paper-like --cells k=3 --cells negative_window=4-6"),
        ("shuffled coordinates", " --cells shuffle_coordinates=true"),
    ],
)
def test_every_ablation_is_a_build_somebody_can_type(name, typed):
    assert flags(ABLATIONS[name]) == typed


def test_the_flags_are_the_recipe_s_own_options():
    for change in ABLATIONS.values():
        options = parse_cell_options(words(change))
        for name, value in change.items():
            assert getattr(options, name) == (tuple(value) if isinstance(value, list) else value)
    assert parse_cell_options([]) == CellOptions()


def test_the_defaults_are_the_recipe_s_own():
    own = plain_json(asdict(CellOptions()))
    of_the_split = {"split_by", "split_key", "status_key", "folds", "fold"}
    assert {name: own[name] for name in own if name not in {*of_the_split, "scaling"}} == DEFAULTS


def test_a_sample_of_the_cells_is_enough(place, slide, stored, tmp_path):
    drawn = slide.obs_names[draw_sample(slide.n_obs, 200, 0)]
    stored(place, slide, sample=200, ids=drawn)
    stored(place, slide, sample=100, k=3, ids=drawn[:100])
    with Store.open(place) as store:
        run_all = partial(run_ablations, slide, store=store, dataset="twelve.h5ad")
        found = run_all(replace(CONFIG, sample=150), out=tmp_path / "a")
        assert list(found["rows"]) == ["whole", "k = 1"]
        assert found["n_spots"] == 150
        assert "--cells sample=150" in found["build"]
        with pytest.raises(CollectionMissingError, match="sample=300"):
            run_all(replace(CONFIG, sample=300), out=tmp_path / "b")
