import json

import pandas as pd
import pytest

from genesem_embed.store import Store
from genesem_train.cells import ablate
from genesem_train.cells.ablate import ABLATIONS, flags, run_ablations
from genesem_train.cells.config import CellsConfig, HeadsConfig

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
    assert found["missing"]["k = 3"].startswith("genesem-embed build --dataset twelve.h5ad --store")
    assert "--recipe cell-sentences --cells k=3" in found["missing"]["k = 3"]
    table = pd.read_csv(tmp_path / "a" / "ablations.csv")
    assert table["ablation"].tolist() == list(found["rows"])


def test_a_second_run_reads_back_what_was_fitted(place, slide, stored, tmp_path, monkeypatch):
    stored(place, slide)
    first = run(place, slide, tmp_path / "a")
    monkeypatch.setattr(ablate, "predict_sentences", lambda *args: pytest.fail("fitted again"))
    assert json.dumps(run(place, slide, tmp_path / "a")) == json.dumps(first)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no spatial", " --cells sections=similar,dissimilar"),
        ("negative ranks 4-6", " --cells negatives=paper-like --cells k=3 --cells negative_window=4-6"),
        ("shuffled coordinates", " --cells shuffle_coordinates=true"),
    ],
)
def test_every_ablation_is_a_build_somebody_can_type(name, words):
    assert flags(ABLATIONS[name]) == words


def test_the_flags_are_the_recipe_s_own_options():
    from genesem_embed.texts.cells.options import CellOptions
    from genesem_embed.texts.cells.parse import parse_cell_options

    for change in ABLATIONS.values():
        words = [word for word in flags(change).split() if word != "--cells"]
        options = parse_cell_options(words)
        for name, value in change.items():
            assert getattr(options, name) == (tuple(value) if isinstance(value, list) else value)
    assert parse_cell_options([]) == CellOptions()
