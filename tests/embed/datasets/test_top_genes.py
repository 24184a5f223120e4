import anndata as ad
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from genesem_embed.datasets.preprocess import PreprocessOptions, preprocess
from genesem_embed.datasets.top_genes import spot_genes
from genesem_embed.errors import InputError


def processed_slide(counts, weights):
    slide = ad.AnnData(sparse.csr_matrix(counts * weights, dtype=np.float32))
    slide.layers["counts"] = sparse.csr_matrix(counts, dtype=np.float32)
    return slide


def naive(slide, k):
    rows = []
    for counts, values in zip(slide.layers["counts"].toarray(), slide.X.toarray(), strict=True):
        genes = [gene for gene in range(slide.n_vars) if counts[gene] > 0]
        rows.append(sorted(genes, key=lambda gene: (-values[gene], gene))[:k])
    return rows


def as_lists(genes):
    return [list(part) for part in np.split(genes.indices, genes.indptr[1:-1])]


@given(
    counts=hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.integers(0, 3)),
    data=st.data(),
    k=st.integers(1, 12),
)
def test_equals_the_naive_loop(counts, data, k):
    weights = data.draw(hnp.arrays(np.float32, counts.shape[1], elements=st.sampled_from([0.5, 1.0, 1.5])))
    slide = processed_slide(counts, weights)
    assert as_lists(spot_genes(slide, k)) == naive(slide, k)


def test_ties_go_by_gene_order_and_zeros_are_never_listed():
    slide = processed_slide(np.array([[0, 2, 5, 2], [0, 0, 0, 0], [1, 1, 1, 1]]), np.ones(4))
    assert as_lists(spot_genes(slide, 3)) == [[2, 1, 3], [], [0, 1, 2]]


def test_explicit_zeros_are_not_counts():
    slide = processed_slide(np.array([[3, 1]]), np.ones(2))
    slide.layers["counts"].data[0] = 0
    assert as_lists(spot_genes(slide, 2)) == [[1]]


def test_fewer_than_one_gene_is_refused():
    with pytest.raises(InputError, match="expected at least 1"):
        spot_genes(processed_slide(np.ones((1, 2)), np.ones(2)), 0)


@pytest.mark.real
def test_mvc_cells_with_fewer_than_20_genes_list_only_those(real_data):
    processed = preprocess(ad.read_h5ad(real_data("mvc.h5ad")), PreprocessOptions(min_cells=100, n_hvg=128))
    genes = spot_genes(processed, 20)
    n_expressed = np.diff(processed.layers["counts"].indptr)
    np.testing.assert_array_equal(np.diff(genes.indptr), np.minimum(n_expressed, 20))
    assert as_lists(genes) == naive(processed, 20)
