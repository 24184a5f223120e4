"""A small slide and a store of one made-up vector per spot, for tests of the whole way."""

import numpy as np
import pytest

from genesem_embed.datasets import fingerprint, load_slide
from genesem_embed.store import Store, text_keys


@pytest.fixture(scope="session")
def slide_file(demo_slide, tmp_path_factory):
    """Return an h5ad of every fourth spot of the demo slide, all seven domains among them."""
    quarter = demo_slide[::4].copy()
    path = tmp_path_factory.mktemp("slides") / "quarter.h5ad"
    quarter.write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def publish_spots(make_space):
    """Return a function that stores one vector per spot of a slide; no language model made them."""

    def publish(place, slide, *, recipe="spot-symbols", top_genes=10, seed=0, precision="float32"):
        space = make_space(precision=precision)
        texts = [f"{recipe} {top_genes} of {name}" for name in slide.obs_names]
        keys = text_keys(space.id, texts)
        vectors = np.random.default_rng(seed).normal(size=(slide.n_obs, space.dim)).astype(np.float32)
        name = slide.uns["genesem"]["name"]
        with Store.open(place, mode="a") as store:
            store.publish_segment(space, keys, vectors, texts, np.ones(len(texts), np.int32), {})
            store.publish_collection(
                name=f"{name}.{recipe}",
                unit="spot",
                recipe={"name": recipe, "top_genes": top_genes},
                space_id=space.id,
                slide={
                    "name": name,
                    "fingerprint": fingerprint(slide),
                    "n_spots": slide.n_obs,
                    "n_genes": slide.n_vars,
                },
                ids=list(slide.obs_names),
                keys=keys,
                notes={},
            )

    return publish


@pytest.fixture(scope="session")
def store_place(slide_file, publish_spots, tmp_path_factory):
    """Return a store that holds vectors of the quarter's spots: by symbols, and by unrelated words."""
    place = tmp_path_factory.mktemp("stores") / "store"
    slide = load_slide(slide_file)
    publish_spots(place, slide)
    publish_spots(place, slide, recipe="unrelated-words", seed=1)
    return str(place)


@pytest.fixture
def plain_latent_figure(monkeypatch):
    """Draw the first two dimensions of a latent in place of its UMAP, which compiles for seconds."""
    monkeypatch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
