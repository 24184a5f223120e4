import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse


@pytest.fixture
def tiny_slide():
    """Return a hand-made slide of 4 spots and 5 genes; the last spot has no counts."""
    counts = np.array([[4, 1, 0, 0, 0], [2, 2, 2, 0, 0], [0, 0, 5, 1, 1], [0, 0, 0, 0, 0]], dtype=np.float32)
    slide = ad.AnnData(
        sparse.csr_matrix(counts),
        obs=pd.DataFrame(index=["a", "b", "c", "d"]),
        var=pd.DataFrame(index=["MBP", "SNAP25", "RELN", "PCP4", "XYZ1"]),
    )
    slide.obsm["spatial"] = np.arange(8.0).reshape(4, 2)
    slide.uns["genesem"] = {"name": "tiny", "source": "made by hand", "organism": "human"}
    return slide


@pytest.fixture
def gene_table():
    """Return a small table of human and mouse genes with every kind of gap."""
    rows = [
        (9606, "MBP", "", "myelin basic protein", "Compacts myelin."),
        (9606, "RELN", "LIS2|RL", "reelin", "Guides migrating neurons."),
        (9606, "PCP4", "PEP-19|RL", "Purkinje cell protein 4", ""),
        (9606, "SNAP25", "SNAP", "", ""),
        (10090, "Mbp", "", "myelin basic protein", "Mouse summary."),
        (10090, "Reln", "", "reelin", ""),
        (10090, "Gm1", "Old1", "predicted gene 1", ""),
    ]
    return pd.DataFrame(rows, columns=["tax_id", "symbol", "synonyms", "description", "summary"])
