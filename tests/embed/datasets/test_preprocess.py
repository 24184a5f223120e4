import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from genesem_embed.datasets.preprocess import PreprocessOptions, preprocess
from genesem_embed.datasets.scaling import scale_counts
from genesem_embed.errors import InputError


def make_slide(n_spots=120, n_genes=300, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.6, 2.0, n_genes)
    counts = rng.negative_binomial(1.5, 1.5 / (1.5 + means), (n_spots, n_genes))
    slide = ad.AnnData(
        sparse.csr_matrix(counts, dtype=np.float32),
        obs=pd.DataFrame({"region": ["a", "b", "", "nan"] * (n_spots // 4)}, index=[f"s{i}" for i in range(n_spots)]),
        var=pd.DataFrame(index=[f"G{i}" for i in range(n_genes)]),
    )
    slide.obsm["spatial"] = rng.uniform(size=(n_spots, 2))
    slide.uns["genesem"] = {"name": "made", "source": "test"}
    return slide


@pytest.fixture
def slide():
    return make_slide()


def scanpy_reference(slide, *, n_hvg, log=False):
    """Return the same steps written with scanpy alone."""
    table = slide.copy()
    sc.pp.filter_genes(table, min_cells=10)
    sc.pp.highly_variable_genes(table, flavor="seurat_v3", n_top_genes=n_hvg)
    table = table[:, table.var["highly_variable"]].copy()
    sc.pp.normalize_total(table, target_sum=1e4)
    if log:
        sc.pp.log1p(table)
    sc.pp.scale(table, zero_center=False, max_value=10)
    return table


@pytest.mark.parametrize(("scaling", "log"), [("released", False), ("log1p-scaled", True)])
def test_equals_scanpy(slide, scaling, log):
    found = preprocess(slide, PreprocessOptions(n_hvg=100, scaling=scaling))
    expected = scanpy_reference(slide, n_hvg=100, log=log)
    assert list(found.var_names) == list(expected.var_names)
    np.testing.assert_allclose(found.X.toarray(), expected.X.toarray(), rtol=2e-5)


def test_one_gene_is_too_few():
    one = ad.AnnData(sparse.csr_matrix(np.ones((20, 1), dtype=np.float32)))
    with pytest.raises(InputError, match="one gene is found in at least 10 of the 20 spots"):
        preprocess(one, PreprocessOptions())


def test_values_that_are_not_scaled_by_hand():
    counts = ad.AnnData(sparse.csr_matrix(np.array([[1, 3, 0], [2, 0, 6], [0, 0, 0]], dtype=np.float32)))
    paper, log1p = (preprocess(counts, PreprocessOptions(min_cells=1, scaling=how)).X for how in ("paper", "log1p"))
    np.testing.assert_allclose(paper.toarray(), [[2500, 7500, 0], [2500, 0, 7500], [0, 0, 0]])
    np.testing.assert_allclose(log1p.toarray(), np.log1p(paper.toarray()), rtol=1e-6)


@pytest.mark.parametrize("scaling", ["released", "paper", "log1p", "log1p-scaled"])
def test_another_slide_is_brought_to_the_scales_of_the_first(slide, scaling):
    first = scale_counts(slide.X, scaling)
    some = scale_counts(slide.X[:7], scaling, first.scales)
    assert np.array_equal(some.values.toarray(), first.values[:7].toarray())
    assert np.array_equal(some.scales, first.scales)


def test_seurat_choice_equals_scanpy(slide):
    table = slide.copy()
    sc.pp.filter_genes(table, min_cells=10)
    sc.pp.normalize_total(table, target_sum=1e4)
    sc.pp.log1p(table)
    sc.pp.highly_variable_genes(table, flavor="seurat", n_top_genes=60)
    found = preprocess(slide, PreprocessOptions(n_hvg=60, hvg_flavor="seurat"))
    assert set(found.var_names) == set(table.var_names[table.var["highly_variable"]])


def test_result_is_sparse_and_keeps_what_belongs_to_spots(slide):
    before = slide.X.copy()
    found = preprocess(slide, PreprocessOptions(n_hvg=50))
    assert isinstance(found.X, sparse.csr_matrix)
    assert found.X.dtype == found.layers["counts"].dtype == np.float32
    assert found.X.nnz == found.layers["counts"].nnz
    assert found.X.max() <= 10
    np.testing.assert_array_equal(found.layers["counts"].toarray(), slide[:, found.var_names].X.toarray())
    np.testing.assert_array_equal(found.obsm["spatial"], slide.obsm["spatial"])
    assert found.uns["genesem"]["name"] == "made"
    assert (before != slide.X).nnz == 0


def test_unlabelled_spots_go_only_when_asked(slide):
    assert preprocess(slide, PreprocessOptions()).n_obs == 120
    kept = preprocess(slide, PreprocessOptions(), drop_unlabelled="region")
    assert set(kept.obs["region"]) == {"a", "b"}


def test_dropping_comes_before_the_gene_filter(slide):
    values = slide.X.toarray()
    values[:, 7] = slide.obs["region"] == "nan"
    slide.X = sparse.csr_matrix(values)
    assert "G7" in preprocess(slide, PreprocessOptions()).var_names
    assert "G7" not in preprocess(slide, PreprocessOptions(), drop_unlabelled="region").var_names


def test_spots_without_counts_are_zeros(slide):
    values = slide.X.toarray()
    values[[3, 40]] = 0
    slide.X = sparse.csr_matrix(values)
    found = preprocess(slide, PreprocessOptions())
    assert found.X[[3, 40]].nnz == 0
    assert np.isfinite(found.X.data).all()


def test_fewer_genes_than_asked_for_are_all_kept(slide):
    found = preprocess(slide, PreprocessOptions(min_cells=0, n_hvg=5000))
    assert list(found.var_names) == list(slide.var_names)


def test_tied_genes_are_chosen_by_gene_order(slide):
    twice = ad.concat([slide, slide], axis=1, index_unique="-", merge="first")
    found = preprocess(twice, PreprocessOptions(n_hvg=101))
    first = [name for name in found.var_names if name.endswith("-0")]
    assert len(first) == 51


def test_a_filter_that_no_gene_passes_says_the_most_there_is(slide):
    with pytest.raises(InputError, match=r"at least 500 of the 120 spots; the most frequent one is in 1\d\d"):
        preprocess(slide, PreprocessOptions(min_cells=500))


def test_a_failed_choice_of_genes_names_the_other_flavor():
    slide = ad.AnnData(sparse.csr_matrix(np.eye(12, dtype=np.float32)))
    with pytest.raises(InputError, match="seurat_v3 choice of 3 among 12 genes failed"):
        preprocess(slide, PreprocessOptions(min_cells=1, n_hvg=3))


@pytest.mark.real
def test_her2st_b1_has_two_spots_without_variable_counts(real_data):
    slide = ad.read_h5ad(real_data("her2st_B1.h5ad"))
    found = preprocess(slide, PreprocessOptions())
    empty = np.diff(found.layers["counts"].indptr) == 0
    assert found.shape == (295, 3000)
    assert empty.sum() == 2
    assert np.isfinite(found.X.data).all()
