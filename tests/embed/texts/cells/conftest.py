import anndata as ad
import numpy as np
import pandas as pd
import pytest

MARKERS = ["CD45", "CD3", "CD8", "CD20", "CD68", "Pan-Keratin", "SMA", "Histone H3", "Ir191"]


def build_cells(*, n_patients=4, images_per_patient=2, cells_per_image=30, seed=0):
    rng = np.random.default_rng(seed)
    n_images = n_patients * images_per_patient
    image = np.repeat(np.arange(n_images), cells_per_image)
    n_cells = len(image)
    obs = pd.DataFrame(
        {
            "image": pd.Categorical([f"img{i:02d}" for i in image]),
            "patient": pd.Categorical([f"p{i // images_per_patient}" for i in image]),
            "cell_type": pd.Categorical(rng.choice(["Tcell", "Bcell", "Tumour"], n_cells)),
            "status": pd.Categorical(np.where(image // images_per_patient % 2, "relapse", "cured")),
        },
        index=[f"cell{i:04d}" for i in range(n_cells)],
    )
    values = rng.gamma(0.6, 3.0, (n_cells, len(MARKERS))).round(2).astype(np.float32)
    slide = ad.AnnData(values, obs=obs, var=pd.DataFrame(index=MARKERS))
    slide.obsm["spatial"] = rng.integers(0, 60, (n_cells, 2)).astype(float)
    slide.uns["genesem"] = {"name": "cells", "source": "simulated"}
    return slide


@pytest.fixture(scope="session")
def make_cells():
    """Return a function that simulates a small cohort: raw intensities, 4 patients of 2 images, tied distances."""
    return build_cells


@pytest.fixture
def cells(make_cells):
    return make_cells()
