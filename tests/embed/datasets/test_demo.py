import time

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from genesem_embed.datasets.checks import check_slide
from genesem_embed.datasets.demo import LAYERS, PITCH_UM, demo_descriptions, make_demo


def principal_components(slide):
    table = slide.copy()
    sc.pp.filter_genes(table, min_cells=10)
    sc.pp.normalize_total(table, target_sum=1e4)
    sc.pp.log1p(table)
    values = table.X.toarray()
    values = np.clip((values - values.mean(axis=0)) / values.std(axis=0, ddof=1), None, 10)
    left, singular, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return left[:, :30] * singular[:30]


def agreement(slide, latent):
    domains = KMeans(len(LAYERS), n_init=10, random_state=0).fit_predict(latent)
    return 100 * adjusted_rand_score(slide.obs["region"].astype(str), domains)


def smoothed(slide, latent):
    near = NearestNeighbors(n_neighbors=7).fit(slide.obsm["spatial"]).kneighbors(return_distance=False)[:, 1:]
    for _ in range(2):
        latent = latent[near].mean(axis=1)
    return latent


@pytest.mark.parametrize("seed", range(5))
def test_layers_are_neither_trivial_nor_hopeless(seed):
    slide = make_demo(seed)
    components = principal_components(slide)
    assert 18 < agreement(slide, components) < 45
    assert 50 < agreement(slide, smoothed(slide, components[:, :20])) < 85


def test_shape_and_grid(demo_slide):
    distances = NearestNeighbors(n_neighbors=2).fit(demo_slide.obsm["spatial"]).kneighbors()[0]
    np.testing.assert_allclose(distances[:, 0], PITCH_UM)
    assert demo_slide.shape == (1520, 483)
    assert demo_slide.obs_names.is_unique
    assert demo_slide.var_names.is_unique
    assert isinstance(demo_slide.X, sparse.csr_matrix)
    assert demo_slide.uns["genesem"]["name"] == "demo"


def test_regions_are_the_seven_layers_in_order(demo_slide):
    region = demo_slide.obs["region"]
    depth = pd.Series(demo_slide.obsm["spatial"][:, 1]).groupby(region.to_numpy()).mean()
    assert tuple(region.cat.categories) == LAYERS
    assert region.value_counts().min() > 100
    assert depth.reindex(LAYERS).is_monotonic_increasing


def test_markers_are_strongest_in_their_layer(demo_slide):
    means = (
        pd.DataFrame(demo_slide.X.toarray(), columns=demo_slide.var_names)
        .groupby(demo_slide.obs["region"].to_numpy())
        .mean()
    )
    for symbol, layer in [
        ("RELN", "L1"),
        ("LAMP5", "L2"),
        ("FREM3", "L3"),
        ("RORB", "L4"),
        ("PCP4", "L5"),
        ("MBP", "WM"),
    ]:
        assert means[symbol].idxmax() == layer


def test_same_seed_same_slide(demo_slide):
    again, other = make_demo(0), make_demo(1)
    assert (again.X != demo_slide.X).nnz == 0
    assert (other.X != demo_slide.X).nnz > 0
    assert (again.obs["region"] == demo_slide.obs["region"]).all()


def test_it_takes_less_than_two_seconds():
    started = time.perf_counter()
    make_demo(3)
    assert time.perf_counter() - started < 2


def test_it_passes_the_checks_of_a_slide(demo_slide):
    check_slide(demo_slide.copy())


def test_descriptions_are_of_markers(demo_slide):
    descriptions = demo_descriptions()
    assert len(descriptions) >= 60
    assert set(descriptions) <= set(demo_slide.var_names)
    assert all("\n" not in text and len(text) > 20 for text in descriptions.values())


@pytest.mark.real
def test_symbols_are_real_human_ones(real_data, demo_slide):
    table = pd.read_parquet(real_data("gene_text.parquet"))
    known = set(table.loc[table["tax_id"] == 9606, "symbol"])
    assert {name for name in demo_slide.var_names if not name.startswith("MT-")} <= known
