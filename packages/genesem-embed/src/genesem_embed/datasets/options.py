"""How counts become values: settings that both packages share, apart from the work so that reading them is quick."""

from dataclasses import dataclass
from typing import Literal

Scaling = Literal["released", "log1p", "paper"]


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions:
    """How counts become values; the defaults suit spot arrays."""

    min_cells: int = 10
    """Genes found in fewer spots are dropped first. The published code says 100 on every slide."""
    n_hvg: int = 3000
    """Highly variable genes to keep; where there are fewer genes, all are kept."""
    hvg_flavor: Literal["seurat_v3", "seurat"] = "seurat_v3"
    scaling: Scaling = "released"
    """`released` is the published code's (genes scaled, no logarithm); `log1p` takes the logarithm before that; `paper`
    ends before genes are scaled (SemST, equation 15)."""
