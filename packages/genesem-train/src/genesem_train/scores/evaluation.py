"""Scores of finished domains against a column of labels, whoever made either."""

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np

from genesem_embed.datasets import labels
from genesem_train.errors import ConfigError
from genesem_train.scores.metrics import score
from genesem_train.slides import DOMAIN, GIVEN_DOMAIN, SLIDE_KEY

RESULT = "result.h5ad"


def evaluate_result(path: Path, label_key: str, *, domain_key: str = DOMAIN) -> dict[str, Any]:
    """Return the scores, 0 to 100, of ``obs[domain_key]`` against ``obs[label_key]``; of each slide too, if of several.

    Parameters
    ----------
    path
        A `result.h5ad`, the folder of a fit that holds one, or any other h5ad with both columns.

    Raises
    ------
    GenesemError
        When the file cannot be read or lacks a column.
    """
    file = path / RESULT if path.is_dir() else path
    if not file.exists():
        msg = f"{file} is not there; expected a result.h5ad, or the --out folder of a fit"
        raise ConfigError(msg)
    try:
        slide = ad.read_h5ad(file)
    except (OSError, KeyError, ValueError) as error:
        msg = f"{file} cannot be read as h5ad: {error}; expected the result.h5ad of a fit"
        raise ConfigError(msg) from error
    if label_key == domain_key:
        own = f"; the column that the slide came with is {GIVEN_DOMAIN}" if GIVEN_DOMAIN in slide.obs else ""
        msg = f"--label-key {label_key} are the domains themselves{own}: name the column of the annotation"
        raise ConfigError(msg)
    domains = np.unique(np.asarray(labels(slide, domain_key).astype(str)), return_inverse=True)[1]
    annotation = labels(slide, label_key)
    known = np.asarray(annotation.codes) >= 0
    result: dict[str, Any] = {
        "result": str(file),
        "label_key": label_key,
        "n_spots": slide.n_obs,
        "n_labelled": int(known.sum()),
        "n_labels": len(annotation.categories),
        "n_domains": int(domains.max()) + 1,
        **score(domains, annotation),
    }
    if SLIDE_KEY in slide.obs:
        of = slide.obs[SLIDE_KEY].astype(str).to_numpy()
        mine = {name: of == name for name in np.unique(of)}
        result["slides"] = {n: score(domains[r], annotation[r]) for n, r in mine.items() if (known & r).any()}
    return result


def evaluation_lines(result: dict[str, Any]) -> list[str]:
    """Return the scores as lines of text."""
    names = ("ari", "nmi", "acc", "f1_macro", "f1_weighted")
    rows = {result["label_key"]: result, **result.get("slides", {})}
    width = max(map(len, rows)) + 2
    lines = [
        f"{result['result']}: {result['n_domains']} domains, {result['n_labelled']} of {result['n_spots']} spots in "
        f"{result['n_labels']} labels",
        " " * width + "".join(f"{name:>13}" for name in names),
    ]
    return [*lines, *(f"{row:<{width}}" + "".join(f"{of[name]:13.2f}" for name in names) for row, of in rows.items())]
