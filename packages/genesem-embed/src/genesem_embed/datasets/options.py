"""How counts become values: settings that both packages share, apart from the work so that reading them is quick."""

from dataclasses import dataclass
from typing import Literal

Scaling = Literal["released", "paper", "log1p", "log1p-scaled"]


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions:
    """How counts become values; the defaults suit spot arrays."""

    min_cells: int = 10
    """Genes found in fewer spots are dropped first. The published code says 100 on every slide."""
    n_hvg: int = 3000
    """Highly variable genes to keep; where there are fewer genes, all are kept."""
    hvg_flavor: Literal["seurat_v3", "seurat"] = "seurat_v3"
    scaling: Scaling = "released"
    """Counts per 10,000 end there (`paper`: SemST, equation 15) or at their logarithm (`log1p`: STAGATE), or genes are
    then scaled too, without the logarithm (`released`: SemST's code) or after it (`log1p-scaled`)."""
