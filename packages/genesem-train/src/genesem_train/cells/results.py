"""What a fit of cells leaves behind, whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genesem_train.cells.cohort import Cohort
from genesem_train.cells.fold_model import FoldModel
from genesem_train.cells.occlusion import Occlusion
from genesem_train.cells.predictions import Predictions


@dataclass(frozen=True, kw_only=True)
class CellsResult:
    """A finished comparison and the folder it was written to."""

    cohort: Cohort
    metrics: Mapping[str, Any]
    runs: Sequence[Predictions]
    """Of the method itself, one a seed."""
    others: Mapping[str, Sequence[Predictions]]
    """Of every baseline, one a seed where there are seeds."""
    models: Sequence[Sequence[FoldModel]]
    """Of every seed, one a fold."""
    occlusions: Sequence[Occlusion]
    out: Path
