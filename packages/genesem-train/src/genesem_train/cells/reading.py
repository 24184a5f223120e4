"""A slide of cells to a cohort: checked once here and trusted below."""

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from genesem_embed.datasets import labels
from genesem_train.cells.cohort import UNKNOWN, Cohort
from genesem_train.cells.neighbours import neighbour_means
from genesem_train.errors import ConfigError


def read_cohort(
    slide: AnnData,
    *,
    label_key: str,
    status_key: str | None,
    group_key: str,
    image_key: str | None = None,
    neighbours: int = 10,
) -> Cohort:
    """Return the cells of `slide`.

    Parameters
    ----------
    label_key
        Column of `obs` with the cell type.
    status_key
        Column with the clinical status, constant within a patient; None leaves the status out.
    group_key, image_key
        Columns with the patient and the image; without `image_key`, a column called `image`, else the patient.
    neighbours
        Cells whose markers are averaged around each cell.

    Raises
    ------
    ConfigError
        When a column is missing, holds fewer than two classes, or a status varies within a patient.
    """
    for key in (label_key, status_key, group_key, image_key):
        _check_column(slide, key)
    types = _classes(slide, label_key)
    status = _classes(slide, status_key) if status_key else None
    if status is not None:
        _check_status(status, slide.obs[group_key].astype(str), str(status_key))
    groups = _column(slide, group_key)
    return _gather(slide, types, status, groups, _column(slide, image_key or "image", groups), neighbours)


def read_unknown_cohort(
    slide: AnnData,
    *,
    type_names: list[str],
    status_names: list[str],
    label_key: str,
    status_key: str | None,
    group_key: str,
    image_key: str | None = None,
) -> Cohort:
    """Return the cells of a cohort that a model never saw, by the model's classes; labels are welcome, not needed.

    What the model does not know is `UNKNOWN`, as is a missing column; without patients, each image is one.
    """
    types = _as_classes(slide, label_key, type_names)
    status = _as_classes(slide, status_key, status_names) if status_names else None
    images = _column(slide, image_key or "image")
    return _gather(slide, types, status, _column(slide, group_key, images), images, neighbours=0)


def _gather(
    slide: AnnData,
    types: "pd.Categorical[str]",
    status: "pd.Categorical[str] | None",
    patients: "pd.Series[str]",
    images: "pd.Series[str]",
    neighbours: int,
) -> Cohort:
    groups = patients.astype("category")
    values = slide.X.toarray() if sparse.issparse(slide.X) else np.asarray(slide.X)
    values = values.astype(np.float32)
    image_codes, names = pd.factorize(patients + "\0" + images, sort=True)
    coords = np.asarray(slide.obsm["spatial"], dtype=np.float64)
    return Cohort(
        name=str(slide.uns.get("genesem", {}).get("name", "cells")),
        ids=[str(name) for name in slide.obs_names],
        markers=[str(name) for name in slide.var_names],
        values=values,
        around=neighbour_means(values, coords, image_codes, neighbours),
        types=types.codes.astype(np.int64),
        type_names=[str(name) for name in types.categories],
        status=np.full(slide.n_obs, UNKNOWN) if status is None else status.codes.astype(np.int64),
        status_names=[] if status is None else [str(name) for name in status.categories],
        patients=groups.cat.codes.to_numpy().astype(np.int64),
        patient_names=[str(name) for name in groups.cat.categories],
        images=image_codes.astype(np.int64),
        image_names=[str(name).partition("\0")[2] for name in names],
        image_sizes=np.bincount(image_codes, minlength=len(names)),
    )


def _column(slide: AnnData, key: str, otherwise: "pd.Series[str] | None" = None) -> "pd.Series[str]":
    """Return a column as text; where it is missing, another one, or one value for all cells."""
    if key in slide.obs:
        column: pd.Series[str] = slide.obs[key].astype(str)
        return column
    return pd.Series("1", index=slide.obs_names) if otherwise is None else otherwise


def _as_classes(slide: AnnData, key: str | None, names: list[str]) -> "pd.Categorical[str]":
    """Return a column by the classes `names`; what is none of them has no class, as has a column that is not there."""
    if key is None or key not in slide.obs or slide.obs[key].isna().all():
        values: list[str | None] = [None] * slide.n_obs
    else:
        values = [name if name in names else None for name in labels(slide, key)]
    classes: pd.Categorical[str] = pd.Categorical(values, categories=names)  # type: ignore[assignment]  # stubs know no None
    return classes


def _check_column(slide: AnnData, key: str | None) -> None:
    if key is not None and key not in slide.obs:
        known = ", ".join(map(str, slide.obs.columns[:12]))
        msg = f"the cells have no column {key!r}; found: {known}; name one of them"
        raise ConfigError(msg)


def _classes(slide: AnnData, key: str) -> "pd.Categorical[str]":
    found: pd.Categorical[str] = labels(slide, key).remove_unused_categories()
    if len(found.categories) < 2:
        listed = ", ".join(map(str, found.categories)) or "none"
        msg = f"column {key!r} holds {len(found.categories)} classes ({listed}); expected at least 2 to tell apart"
        raise ConfigError(msg)
    return found


def _check_status(status: "pd.Categorical[str]", groups: "pd.Series[str]", key: str) -> None:
    codes = pd.Series(status.codes, index=groups.index)
    kinds = codes.groupby(groups, observed=True).nunique()
    if (kinds > 1).any():
        named = ", ".join(map(str, kinds.index[kinds > 1][:5]))
        msg = (
            f"the status {key!r} varies within {int((kinds > 1).sum())} patients (first: {named}); expected one status "
            "a patient; mend the column, or name the right --group-key"
        )
        raise ConfigError(msg)
