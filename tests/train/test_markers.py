import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from genesem_train import markers
from genesem_train.markers import find_markers


@pytest.fixture
def slide():
    """Return 90 spots of 40 genes; the first three genes stand out in domain 0, the next three in domain 1."""
    rng = np.random.default_rng(0)
    rates = np.full((90, 40), 2.0)
    rates[:30, :3] = 20
    rates[30:60, 3:6] = 20
    counts = sparse.csr_matrix(rng.poisson(rates).astype(np.float32))
    return AnnData(counts, var=pd.DataFrame(index=[f"G{gene}" for gene in range(40)]))


DOMAINS = np.repeat([0, 1, 2], 30)


@pytest.mark.parametrize("test", ["wilcoxon", "t-test"])
def test_the_genes_that_stand_out_come_first(slide, monkeypatch, test):
    monkeypatch.setattr(markers, "WILCOXON_SPOTS", 90 if test == "wilcoxon" else 10)
    found = find_markers(slide, DOMAINS, slide.var_names, n_genes=5)
    assert found.test == test
    table = found.table
    assert len(table) == 15
    for domain, genes in (("0", {"G0", "G1", "G2"}), ("1", {"G3", "G4", "G5"})):
        mine = table[table["domain"] == domain]
        assert set(mine["gene"].iloc[:3]) == genes
        assert (mine["p_adjusted"].iloc[:3] < 0.01).all()
        assert (mine["log2_fold_change"].iloc[:3] > 1).all()


def test_shares_and_means_are_those_of_the_counts(slide):
    found = find_markers(slide, DOMAINS, slide.var_names[:20], n_genes=4)
    counts = slide.X.toarray()
    values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    for row in found.table.itertuples():
        gene, inside = slide.var_names.get_loc(row.gene), int(row.domain) == DOMAINS
        assert gene < 20
        assert row.share_in == pytest.approx((counts[inside, gene] > 0).mean())
        assert row.share_out == pytest.approx((counts[~inside, gene] > 0).mean())
        assert found.mean[int(row.domain), found.genes.index(row.gene)] == pytest.approx(values[inside, gene].mean())


def test_a_domain_of_two_spots_is_left_out(slide):
    domains = np.array([0] * 50 + [1] * 38 + [2] * 2)
    found = find_markers(slide, domains, slide.var_names)
    assert set(found.table["domain"]) == {"0", "1"}
    assert found.mean.shape[0] == 3
    assert find_markers(slide, np.array([0] * 88 + [1, 2]), slide.var_names) is None
