"""Every fact that decides a fit moves its identity, and what decides scores alone does not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import fingerprint, load_slide
from genesem_train.config import load_preset
from genesem_train.identity import fit_identity
from genesem_train.semantics import Semantics
from genesem_train.spots import select_spots


@pytest.fixture(scope="module")
def facts(slide_file):
    config = load_preset("demo", str(slide_file))
    slide = load_slide(slide_file)
    vectors = Semantics(matrix=np.zeros((slide.n_obs, 2)), collection="a" * 64, space="s", model="m")
    return {
        "config": config,
        "fingerprint": fingerprint(slide),
        "spots": select_spots(slide, config),
        "semantics": vectors,
    }


def moved(spots):
    return replace(spots, coords=spots.coords[::-1].copy())


def renamed(spots):
    data = spots.data.copy()
    data.obs_names = data.obs_names[::-1]
    return replace(spots, data=data)


def split(spots):
    rows = np.arange(len(spots.coords))
    return replace(spots, slides={"a": rows[:9], "b": rows[9:]})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fingerprint", lambda mark: mark[::-1]),
        ("spots", moved),
        ("spots", renamed),
        ("spots", split),
        ("spots", lambda spots: replace(spots, n_domains=spots.n_domains + 1)),
        ("semantics", lambda vectors: replace(vectors, collection="b" * 64)),
        ("semantics", lambda vectors: None),
        ("config", lambda config: config.with_values("training", lr=0.5)),
        ("config", lambda config: config.with_values("preprocess", n_hvg=61)),
        ("config", lambda config: config.with_values("model", fusion="add")),
    ],
    ids=["counts", "places", "names", "slides", "domains", "vectors", "no vectors", "rate", "genes", "fusion"],
)
def test_what_decides_a_fit_moves_its_identity(facts, name, change):
    assert fit_identity(**facts) != fit_identity(**facts | {name: change(facts[name])})


def test_epochs_seeds_and_labels_do_not(facts):
    same = fit_identity(**facts)
    longer = facts["config"].with_values("training", epochs=9, seeds=(7, 8))
    assert fit_identity(**facts | {"config": longer}) == same
    shuffled = pd.Categorical.from_codes(facts["spots"].annotation.codes[::-1], facts["spots"].annotation.categories)
    assert fit_identity(**facts | {"spots": replace(facts["spots"], annotation=shuffled)}) == same


def test_random_vectors_are_those_of_their_seed(facts):
    drawn = facts["config"].with_values("semantics", kind="random")
    other = drawn.with_values("training", seeds=(5,))
    assert fit_identity(**facts | {"config": drawn}) != fit_identity(**facts | {"config": other})
