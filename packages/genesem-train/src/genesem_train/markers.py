"""Which genes set each domain apart from the rest of the slide."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scanpy as sc
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse

PER_DOMAIN = 8
LEAST_SPOTS = 3
"""Of a domain; fewer say nothing about a gene."""
WILCOXON_SPOTS = 20_000
"""Up to so many spots genes are ranked by a rank-sum test, beyond by Welch's t-test, which needs no sorting."""
TARGET_SUM = 1e4


@dataclass(frozen=True, kw_only=True)
class Markers:
    """The marker genes of every domain, and what all domains have of them."""

    table: pd.DataFrame
    """One line a domain and gene: `domain`, `rank`, `gene`, `score` (z or t), `log2_fold_change`, `p_adjusted`
    (Benjamini-Hochberg) and `share_in`, `share_out`: of spots with a count, inside the domain and outside, 0 to 1."""
    genes: list[str]
    """All of them once, by domain and rank."""
    mean: Float[np.ndarray, "domain gene"]
    """Mean log-normalised expression."""
    share: Float[np.ndarray, "domain gene"]
    """Share of spots with a count, 0 to 1."""
    test: str


def find_markers(
    slide: AnnData, domains: Int[np.ndarray, " spot"], genes: "pd.Index[str]", *, n_genes: int = PER_DOMAIN
) -> Markers | None:
    """Return the genes that rank highest in each domain against all other spots; None where nothing can be compared.

    Counts are brought to 10,000 a spot over all genes and logarithms taken before the variable `genes` are compared.
    The domains were found on the same counts, so the p-values order genes and prove nothing.
    """
    names = np.unique(domains)
    tested = [str(name) for name in names if (domains == name).sum() >= LEAST_SPOTS]
    if len(tested) < 2:
        return None
    library = np.asarray(slide.X.sum(axis=1), dtype=np.float64).ravel()
    counts = sparse.csr_matrix(slide[:, genes].X, dtype=np.float32)
    values = sparse.csr_matrix(sparse.diags(TARGET_SUM / np.maximum(library, 1)) @ counts, dtype=np.float32)
    table = AnnData(values.log1p(), obs=pd.DataFrame(index=slide.obs_names))
    table.var_names = genes
    table.obs["domain"] = pd.Categorical(domains.astype(str))
    table.uns["log1p"] = {"base": None}
    test = "wilcoxon" if slide.n_obs <= WILCOXON_SPOTS else "t-test"
    with warnings.catch_warnings():  # about its own speed and its own future
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(table, "domain", groups=tested, method=test, n_genes=min(n_genes, table.n_vars))
    mean, share = _by_domain(table.X, domains, names), _by_domain((table.X > 0).astype(np.float64), domains, names)
    ranked = _ranked(table, tested)
    n_in = np.array([(domains == name).sum() for name in names], dtype=np.float64)
    total = (share * n_in[:, None]).sum(axis=0)
    place = {str(name): row for row, name in enumerate(names)}
    row = ranked["domain"].map(place).to_numpy()
    column = table.var_names.get_indexer(ranked["gene"])
    ranked["share_in"] = share[row, column]
    ranked["share_out"] = (total[column] - share[row, column] * n_in[row]) / (len(domains) - n_in[row])
    chosen = list(dict.fromkeys(ranked["gene"]))
    columns = table.var_names.get_indexer(chosen)
    return Markers(table=ranked, genes=chosen, mean=mean[:, columns], share=share[:, columns], test=test)


def _ranked(table: AnnData, tested: list[str]) -> pd.DataFrame:
    found = table.uns["rank_genes_groups"]
    parts = [
        pd.DataFrame(
            {
                "domain": name,
                "rank": np.arange(1, len(found["names"][name]) + 1),
                "gene": found["names"][name].astype(str),
                "score": found["scores"][name].astype(np.float64),
                "log2_fold_change": found["logfoldchanges"][name].astype(np.float64),
                "p_adjusted": found["pvals_adj"][name].astype(np.float64),
            }
        )
        for name in tested
    ]
    return pd.concat(parts, ignore_index=True)


def _by_domain(
    values: sparse.csr_matrix, domains: Int[np.ndarray, " spot"], names: Int[np.ndarray, " domain"]
) -> Float[np.ndarray, "domain gene"]:
    return np.stack([np.asarray(values[domains == name].mean(axis=0)).ravel() for name in names])
