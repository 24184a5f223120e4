"""The scores of finished predictions of cells against labels, whoever gave either."""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np

from genesem_train.cells.config import METHOD, CellsConfig, read_settings
from genesem_train.cells.predictions import Predictions
from genesem_train.cells.reading import read_unknown_cohort
from genesem_train.cells.summary import score_intervals, score_predictions
from genesem_train.config import build_settings
from genesem_train.errors import ConfigError

RESULT = "result.h5ad"


def evaluate_cells(folder: Path, *, label_key: str | None = None, status_key: str | None = None) -> dict[str, Any]:
    """Return the scores x 100 of the types (and statuses) in a result of cells, with intervals over patients.

    Parameters
    ----------
    folder
        Of a fit or of a prediction by the method on cells.
    label_key, status_key
        Columns with the true type and status; None takes those of the fit.

    Raises
    ------
    ConfigError
        The folder holds no predictions of cells, or no cell has a label that the model knows.
    """
    if not (folder / RESULT).exists():
        msg = f"{folder} holds no {RESULT}; expected the --out folder of a fit or prediction by {METHOD}"
        raise ConfigError(msg)
    written = read_settings(folder / "config.toml").get("cells", {})
    config: CellsConfig = build_settings(CellsConfig, written, str(folder / "config.toml"))
    slide = ad.read_h5ad(folder / RESULT)
    if "cell_type_probabilities" not in slide.obsm:
        msg = f"{folder / RESULT} holds no cell types; expected the result of {METHOD}"
        raise ConfigError(msg)
    names = [str(name) for name in slide.uns["cell_type_classes"]]
    statuses = [str(name) for name in slide.uns.get("status_classes", [])]
    types_key, state_key = label_key or config.label_key, status_key or config.status_key
    with_status = bool(statuses) and state_key in slide.obs
    cohort = read_unknown_cohort(
        slide,
        type_names=names,
        status_names=statuses if with_status else [],
        label_key=types_key,
        status_key=state_key,
        group_key=config.group_key,
        image_key=config.image_key,
    )
    n_labelled = int((cohort.types >= 0).sum())
    if not n_labelled:
        msg = f"no cell has a type that the model knows in column {types_key!r} ({', '.join(names[:5])}, ...); name it"
        raise ConfigError(msg)
    none = np.zeros((len(cohort.ids), 0))
    found = Predictions(
        types=np.asarray(slide.obsm["cell_type_probabilities"], dtype=np.float64),
        status=np.asarray(slide.obsm["status_probabilities"], dtype=np.float64) if with_status else none,
    )
    return {
        "result": str(folder / RESULT),
        "label_key": types_key,
        "n_spots": len(cohort.ids),
        "n_labelled": n_labelled,
        "scores": score_predictions(found, cohort),
        "interval": score_intervals([found], cohort),
    }
