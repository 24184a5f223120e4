from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets import PreprocessOptions, preprocess, scale_counts
from genesem_train.errors import ConfigError
from genesem_train.graphs import feature_graph, propagation, spatial_graph
from genesem_train.models import SemST
from genesem_train.prediction.genes import align_genes
from genesem_train.training.fit import fit_backbone, make_inputs, readout_of


@pytest.fixture
def slide():
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(rng.gamma(1.0, 2.0, size=30), size=(60, 30)).astype(np.float32))
    slide = AnnData(counts, var=pd.DataFrame(index=[f"G{gene}" for gene in range(30)]))
    slide.obsm["spatial"] = rng.uniform(size=(60, 2))
    return slide


def test_genes_are_put_in_the_models_order_and_missing_ones_named(slide):
    aligned = align_genes(slide, ["G5", "ABSENT", "G0"])
    assert aligned.missing == ["ABSENT"]
    assert np.array_equal(aligned.counts[:, 0].toarray(), slide.X[:, 5].toarray())
    assert aligned.counts[:, 1].nnz == 0
    assert np.array_equal(aligned.counts[:, 2].toarray(), slide.X[:, 0].toarray())


def test_a_slide_without_any_gene_is_refused(slide):
    with pytest.raises(ConfigError, match="none of the model's 2 genes"):
        align_genes(slide, ["x", "y"])


def test_the_fitted_slide_itself_gets_its_own_latent(slide):
    processed = preprocess(slide, PreprocessOptions(n_hvg=30, min_cells=1))
    spatial, feature = spatial_graph(slide.obsm["spatial"], kind="knn", k=4), feature_graph(processed.X, k=3)
    weights = propagation(spatial), propagation(feature)
    make_network = partial(SemST, processed.n_vars, None, hidden_dim=8, latent_dim=4)
    trained = fit_backbone(make_network, make_inputs(processed.X, spatial, *weights), epochs=3)
    aligned = align_genes(slide, list(processed.var_names))
    scales = scale_counts(processed.layers["counts"], "released").scales
    values = scale_counts(aligned.counts, "released", scales).values
    assert np.array_equal(values.toarray(), processed.X.toarray())
    network = make_network()
    found = readout_of(network, trained.weights, make_inputs(values, spatial, *weights))
    assert np.array_equal(found, trained.latent)
    assert all(torch.equal(part, trained.weights[name]) for name, part in network.state_dict().items())
