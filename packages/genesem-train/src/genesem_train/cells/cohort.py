"""Cells of a cohort as arrays: marker values, types, status, who belongs to which patient and image.

What enters is a slide of cells; what leaves is checked once here and trusted below.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from jaxtyping import Float, Int
from scipy import sparse

from genesem_embed.datasets import labels
from genesem_train.errors import ConfigError

UNKNOWN = -1
"""Code of a cell without a label."""


@dataclass(frozen=True, kw_only=True)
class Cohort:
    """All cells of all images; codes are `UNKNOWN` where there is no label."""

    name: str
    ids: list[str]
    markers: list[str]
    values: Float[np.ndarray, "cell marker"]
    coords: Float[np.ndarray, "cell 2"]
    types: Int[np.ndarray, " cell"]
    type_names: list[str]
    status: Int[np.ndarray, " cell"]
    """Constant within a patient; all `UNKNOWN` where no status was named."""
    status_names: list[str]
    patients: Int[np.ndarray, " cell"]
    patient_names: list[str]
    images: Int[np.ndarray, " cell"]

    @property
    def patient_status(self) -> Int[np.ndarray, " patient"]:
        """Return the status of each patient."""
        first = np.unique(self.patients, return_index=True)[1]
        return self.status[first]


def read_cohort(
    slide: AnnData, *, label_key: str, status_key: str | None, group_key: str, image_key: str | None = None
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

    Raises
    ------
    ConfigError
        When a column is missing, holds fewer than two classes, or a status varies within a patient.
    """
    for key in (label_key, status_key, group_key, image_key):
        _check_column(slide, key)
    image_key = image_key or ("image" if "image" in slide.obs else group_key)
    types = _classes(slide, label_key)
    status = _classes(slide, status_key) if status_key else None
    groups = slide.obs[group_key].astype(str).astype("category")
    if status is not None:
        _check_status(status, groups, str(status_key))
    values = slide.X.toarray() if sparse.issparse(slide.X) else np.asarray(slide.X)
    images = pd.factorize(groups.astype(str) + "\0" + slide.obs[image_key].astype(str), sort=True)[0]
    return Cohort(
        name=str(slide.uns.get("genesem", {}).get("name", "cells")),
        ids=[str(name) for name in slide.obs_names],
        markers=[str(name) for name in slide.var_names],
        values=values.astype(np.float32),
        coords=np.asarray(slide.obsm["spatial"], dtype=np.float64),
        types=types.codes.astype(np.int64),
        type_names=[str(name) for name in types.categories],
        status=np.full(slide.n_obs, UNKNOWN) if status is None else status.codes.astype(np.int64),
        status_names=[] if status is None else [str(name) for name in status.categories],
        patients=groups.cat.codes.to_numpy().astype(np.int64),
        patient_names=[str(name) for name in groups.cat.categories],
        images=images.astype(np.int64),
    )


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


def _check_status(status: "pd.Categorical[str]", groups: pd.Series, key: str) -> None:
    codes = pd.Series(status.codes, index=groups.index)
    kinds = codes.groupby(groups, observed=True).nunique()
    if (kinds > 1).any():
        named = ", ".join(map(str, kinds.index[kinds > 1][:5]))
        msg = (
            f"the status {key!r} varies within {int((kinds > 1).sum())} patients (first: {named}); expected one status "
            "a patient; mend the column, or name the right --group-key"
        )
        raise ConfigError(msg)
