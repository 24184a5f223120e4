"""A collection's vectors onto a slide, matched by name."""

import anndata as ad
import numpy as np
import pytest

from genesem_embed.errors import CollectionMissingError, InputError
from genesem_embed.store import Store
from genesem_embed.store.sharing.publish import publish


@pytest.fixture
def slide():
    """Five spots of the collection, not in its order."""
    slide = ad.AnnData(np.ones((5, 3), np.float32))
    slide.obs_names = [f"spot{number}" for number in (3, 1, 61, 0, 60)]
    slide.uns["genesem"] = {"name": "demo"}
    return slide


def test_vectors_come_in_the_order_of_the_slide(filled, slide, maker):
    found = filled.to_anndata(slide)
    np.testing.assert_array_equal(found.obsm["X_genesem"], maker.stored(maker.texts(3, 1, 3, 0, 100)))
    assert found.obsm["X_genesem"].dtype == np.float16
    assert "X_genesem" not in slide.obsm


def test_out_of_a_store_at_a_url_too(filled, slide, web):
    publish(filled)
    with Store.open(web(filled.root)) as remote:
        found = remote.to_anndata(slide).obsm["X_genesem"]
    np.testing.assert_array_equal(found, filled.to_anndata(slide).obsm["X_genesem"])


def test_spots_that_the_collection_lacks_are_counted_and_named(filled, slide):
    slide.obs_names = ["spot0", "other1", "spot1", "other2", "spot2"]
    with pytest.raises(InputError, match=r"2 of 5 spots are not in collection demo.spot-symbols \(other1, other2\)"):
        filled.to_anndata(slide)


def test_a_collection_is_named_where_it_is_not_clear(filled, slide, maker):
    other = maker.collect(filled, maker.texts(*range(70)), name="second")
    with pytest.raises(CollectionMissingError, match="2 collections were built from a slide called demo; name one of"):
        filled.to_anndata(slide)
    bare = slide.copy()
    del bare.uns["genesem"]
    with pytest.raises(CollectionMissingError, match=r"from a slide without a name \(load_slide gives it one\)"):
        filled.to_anndata(bare)
    assert filled.to_anndata(slide, "second").obsm["X_genesem"].shape == (5, 8)
    slide.uns["genesem"]["name"] = "unknown"
    with pytest.raises(CollectionMissingError, match="0 collections were built"):
        filled.to_anndata(slide)
    assert filled.to_anndata(slide, other).n_obs == 5


def test_vectors_of_genes_are_no_vectors_of_spots(filled, slide, maker):
    keys = maker.keys(maker.texts(1))
    filled.publish_collection("genes", "gene", {"name": "gene-summaries"}, maker.space.id, {}, ["MBP"], keys, {})
    with pytest.raises(InputError, match="one vector per gene, not per spot"):
        filled.to_anndata(slide, "genes")
