"""What a slide is, in 64 hex digits, and what its annotation says: the two things every later step asks of a slide."""

import difflib
import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from genesem_embed.errors import InputError

_FORMAT = b"genesem-slide-1"
_MISSING = frozenset(
    {"", "nan", "na", "n/a", "<na>", "none", "-1", "undetermined", "unknown", "unassigned", "unannotated"}
    | {"unlabelled", "unlabeled", "not annotated", "not labelled", "not labeled"}
)


def fingerprint(slide: AnnData) -> str:
    """Return the SHA-256 of a slide's spot ids, gene names and values, in hex.

    The order of spots and genes matters. Whole numbers count as such whatever their dtype, and so do dense and sparse
    matrices of the same values; coordinates and annotations do not enter.
    """
    digest = hashlib.sha256(_FORMAT)
    for names in (slide.obs_names, slide.var_names):
        digest.update(_length_prefixed(names))
    counts = sparse.csr_matrix(slide.X, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    whole = np.array_equal(counts.data, np.trunc(counts.data))
    digest.update(b"i" if whole else b"f")
    digest.update(counts.indptr.astype("<i8").tobytes())
    digest.update(counts.indices.astype("<i8").tobytes())
    digest.update(counts.data.astype("<i8" if whole else "<f8").tobytes())
    return digest.hexdigest()


def labels(slide: AnnData, key: str) -> "pd.Categorical[str]":
    """Return ``obs[key]`` as text categories; what says that there is none is missing.

    That is NaN, an empty string, -1, "nan", "NA", "None", "undetermined", "unknown", "unassigned", "unlabelled" and
    "not annotated", in whatever case; blanks around a label do not count.

    Raises
    ------
    InputError
        Where there is no such column, it holds measurements rather than classes, or no spot has a label.
    """
    if key not in slide.obs:
        near = difflib.get_close_matches(key, list(slide.obs), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        msg = f"the slide has no obs column {key!r}; {hint}it has: {', '.join(map(str, slide.obs)) or 'none'}"
        raise InputError(msg)
    column = slide.obs[key]
    text = _as_text(column, key).str.strip()
    text = text.where(~text.str.lower().isin(_MISSING))
    if text.isna().all():
        msg = f"obs[{key!r}] has no label for any of the {slide.n_obs} spots: give another --label-key"
        raise InputError(msg)
    present = set(text.dropna())
    order = (
        list(dict.fromkeys(str(name).strip() for name in column.cat.categories))
        if isinstance(column.dtype, pd.CategoricalDtype)
        else []
    )
    categories = [name for name in order if name in present] if present <= set(order) else sorted(present)
    return pd.Categorical(text, categories=categories)


def _as_text(column: "pd.Series[Any]", key: str) -> "pd.Series[str]":
    """Return the column as strings and NaN, whole floats without their ``.0``."""
    if pd.api.types.is_float_dtype(column):
        values = column.dropna()
        if not np.array_equal(values, np.trunc(values.astype(float))):
            msg = f"obs[{key!r}] holds measurements such as {values.iloc[0]}, not classes: give another --label-key"
            raise InputError(msg)
        column = column.astype("Int64").astype(object)
    missing = column.isna()
    return column.astype(str).astype(object).where(~missing)


def _length_prefixed(names: Iterable[str]) -> bytes:
    encoded = [name.encode() for name in names]
    return len(encoded).to_bytes(8, "big") + b"".join(len(name).to_bytes(8, "big") + name for name in encoded)
