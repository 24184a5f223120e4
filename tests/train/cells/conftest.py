"""Twelve simulated patients, four cell types and two statuses, with stored vectors that know something of both."""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import fingerprint
from genesem_embed.store import Space, Store, text_keys
from genesem_train.cells import pooling
from genesem_train.cells.baselines import MAKERS
from genesem_train.cells.reading import read_cohort
from genesem_train.cells.wording import DEFAULTS

TYPES = ["B", "T", "macrophage", "tumour"]
MARKERS = ["CD20", "CD3", "CD68", "keratin", "Ki67"]
CHOICES = {**DEFAULTS, "scaling": "raw"}


def make_slide(n_patients=12, n_cells=30):
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(n_patients), n_cells)
    kind = rng.choice(4, size=len(patient), p=[0.1, 0.2, 0.2, 0.5])
    status = np.array(["relapse", "free"])[patient % 2]
    values = rng.normal(0, 0.4, (len(patient), 5))
    values[np.arange(len(patient)), kind] += 2.0
    values[:, 4] += patient % 2
    obs = pd.DataFrame(
        {
            "cell_type": np.array(TYPES)[kind],
            "status": pd.Series(status).where(patient > 0, None).to_numpy(),
            "patient": [f"p{number:02d}" for number in patient],
            "image": [f"p{number:02d}-{row % 2}" for row, number in enumerate(patient)],
        },
        index=[f"cell{row}" for row in range(len(patient))],
    )
    slide = ad.AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=MARKERS))
    slide.obsm["spatial"] = rng.random((len(patient), 2)) * 100
    slide.uns["genesem"] = {"name": "twelve", "source": "simulated"}
    return slide


def make_vectors(slide, noise):
    rng = np.random.default_rng(8)
    mixed = np.asarray(slide.X) @ rng.normal(size=(slide.n_vars, 16))
    return (mixed + noise * rng.normal(size=mixed.shape)).astype(np.float32)


def store_sentences(
    place, slide, *, noise=0.3, ids=None, split=None, warnings=(), adapter="", markers=MARKERS, **changed
):
    """Publish one vector a cell under the recipe stamp of `cell-sentences`."""
    choices = {**CHOICES, **changed}
    space = Space(
        model="test",
        revision="1",
        weights_sha256=(("weights", "0" * 64),),
        tokenizer_sha256="1" * 64,
        style="plain",
        pooling="mean",
        normalise=False,
        compute_dtype="float32",
        max_tokens=256,
        precision="float32",
        dim=16,
        adapter_sha256=adapter,
    )
    names = list(slide.obs_names if ids is None else ids)
    rows = [slide.obs_names.get_loc(name.partition("#")[0]) for name in names]
    vectors = make_vectors(slide, noise)[rows]
    texts = [f"{choices} {split} {markers} {name}" for name in names]
    keys = text_keys(space.id, texts)
    recipe = {"name": "cell-sentences", "version": 1, "cells": choices, "markers": list(markers), "split": split}
    facts = {"name": "twelve", "fingerprint": fingerprint(slide), "n_spots": slide.n_obs, "n_genes": slide.n_vars}
    with Store.open(place, mode="a") as store:
        store.publish_segment(space, keys, vectors, texts, np.ones(len(texts), dtype=np.int32), {})
        return store.publish_collection(
            "twelve", "cell", recipe, space.id, facts, names, keys, {"warnings": list(warnings)}
        )


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Twenty steps of attention are enough to see that it runs; its own test takes more."""
    monkeypatch.setattr(pooling, "STEPS", 20)


@pytest.fixture(autouse=True)
def small_boosting(monkeypatch):
    """Three trees a class are enough to see that the baseline runs."""
    whole = MAKERS["boosting"]
    monkeypatch.setitem(MAKERS, "boosting", lambda: whole().set_params(max_iter=3, min_samples_leaf=5))


@pytest.fixture
def slide():
    return make_slide()


@pytest.fixture
def cohort(slide):
    return read_cohort(slide, label_key="cell_type", status_key="status", group_key="patient")


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "store"


@pytest.fixture(scope="session")
def stored():
    """Return the function that publishes sentences of a slide."""
    return store_sentences
