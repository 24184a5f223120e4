"""Collection to matrix: alignment by id, averaging over a spot's top genes, and the slides that are refused."""

from functools import partial

import numpy as np
import pytest

from genesem_embed.datasets import PreprocessOptions, fingerprint, preprocess, spot_genes
from genesem_embed.store import CollectionMissingError, Store, text_keys
from genesem_train.errors import ConfigError, SlideMismatchError
from genesem_train.semantics import PAPER_VARIANCE, random_semantics, stored_semantics

DIM = 384


@pytest.fixture
def slide(demo_slide):
    return demo_slide[:60].copy()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store", mode="a") as opened:
        yield opened


@pytest.fixture
def publish(store, make_space):
    """Return a function that publishes one random vector per id and returns the vectors in the order of the ids."""
    return partial(publish_vectors, store, make_space)


def publish_vectors(
    store, make_space, slide, ids, *, unit="spot", recipe="spot-symbols", top_genes=20, precision="float32", **spoofed
):
    space = make_space(precision=precision)
    texts = [f"{recipe} {top_genes} {name}" for name in ids]
    keys = text_keys(space.id, texts)
    vectors = np.random.default_rng(0).normal(size=(len(ids), DIM)).astype(precision)
    store.publish_segment(space, keys, vectors.astype(np.float32), texts, np.ones(len(ids), np.int32), {})
    store.publish_collection(
        name=f"demo.{recipe}",
        unit=unit,
        recipe={"name": recipe} | ({"top_genes": top_genes} if unit == "spot" else {}),
        space_id=space.id,
        slide={"name": "demo", "fingerprint": fingerprint(slide), "n_spots": slide.n_obs, "n_genes": slide.n_vars}
        | spoofed,
        ids=list(ids),
        keys=keys,
        notes={},
    )
    return vectors


def read(store, slide, spots=None, **options):
    options = {"recipe": "spot-symbols", "top_genes": 20, "dataset": "demo"} | options
    return stored_semantics(store, slide, slide if spots is None else spots, **options)


def test_vectors_follow_the_spots_whatever_their_order(store, publish, slide):
    vectors = publish(slide, slide.obs_names)
    order = [7, 3, 30]
    found = read(store, slide, slide[order])
    np.testing.assert_array_equal(found.matrix, vectors[order])
    assert found.model == "tests/made-up"


def test_gene_vectors_are_averaged_over_the_top_genes_of_a_spot(store, publish, slide):
    genes = [name for position, name in enumerate(slide.var_names) if position % 3]  # a third has no text
    vectors = dict(zip(genes, publish(slide, genes, unit="gene", recipe="gene-summaries"), strict=True))
    found = read(store, slide, recipe="gene-summaries", top_genes=8).matrix
    processed = preprocess(slide, PreprocessOptions())
    chosen = spot_genes(processed, 8)
    for spot in (0, 11, 59):
        names = processed.var_names[chosen.indices[chosen.indptr[spot] : chosen.indptr[spot + 1]]]
        expected = np.mean([vectors[name] for name in names if name in vectors], axis=0)
        np.testing.assert_allclose(found[spot], expected, rtol=1e-5, atol=1e-6)


def test_a_slide_nobody_built_gets_the_build_command(store, slide):
    with pytest.raises(CollectionMissingError, match="genesem-embed build --dataset demo --store .* --top-genes 20"):
        read(store, slide)


def test_another_slide_of_the_same_name_is_refused_with_both_fingerprints(store, publish, slide):
    publish(slide, slide.obs_names)
    changed = slide.copy()
    changed.X[0, 0] += 1
    with pytest.raises(SlideMismatchError) as caught:
        read(store, changed)
    assert fingerprint(changed)[:12] in str(caught.value)
    assert fingerprint(slide)[:12] in str(caught.value)


def test_several_fitting_collections_are_listed_to_choose_from(store, publish, slide):
    publish(slide, slide.obs_names)
    publish(slide, slide.obs_names, precision="float16")
    with pytest.raises(ConfigError, match="2 collections fit this slide"):
        read(store, slide)
    chosen = [info for info in store.collections() if info.space.precision == "float16"][0]
    assert read(store, slide, space=chosen.space.id[:12]).space == chosen.space.id
    assert read(store, slide, collection=chosen.digest[:12]).space == chosen.space.id


def test_the_number_of_listed_genes_chooses_the_collection(store, publish, slide):
    publish(slide, slide.obs_names, top_genes=30)
    with pytest.raises(CollectionMissingError, match="top 20 genes"):
        read(store, slide)
    assert read(store, slide, top_genes=30).matrix.shape == (60, DIM)


def test_random_vectors_have_the_paper_s_mean_and_variance():
    found = random_semantics(2000, 50, seed=3).matrix
    assert abs(found.mean()) < 0.01
    assert found.var() == pytest.approx(PAPER_VARIANCE, rel=0.02)
    np.testing.assert_array_equal(found, random_semantics(2000, 50, seed=3).matrix)


def test_the_same_slide_built_under_two_names_is_one_choice(store, publish, slide):
    publish(slide, slide.obs_names)
    publish(slide, slide.obs_names, name="another name")
    assert len(store.collections()) == 2
    assert read(store, slide).matrix.shape == (60, DIM)


def test_what_is_stored_instead_is_named(store, publish, slide):
    publish(slide, slide.obs_names, top_genes=5)
    with pytest.raises(CollectionMissingError, match="found spot-symbols top 5 in space"):
        read(store, slide)
