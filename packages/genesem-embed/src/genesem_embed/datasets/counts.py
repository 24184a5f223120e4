"""Raw counts or nothing: finds the matrix to use, refuses what is not counts, and says where counts may be."""

from typing import Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from genesem_embed.errors import InputError

_LARGEST = 2**24
"""Whole numbers above this are not all representable in float32."""


def choose_matrix(slide: AnnData, counts_layer: str | None) -> AnnData:
    """Return `slide` with the matrix of ``--counts-layer`` as X: a layer, or "raw" for ``.raw`` and its genes."""
    if counts_layer is None:
        return slide
    if counts_layer in slide.layers:
        parts = {"obs": slide.obs, "var": slide.var, "obsm": dict(slide.obsm), "uns": dict(slide.uns)}
        return AnnData(slide.layers[counts_layer], layers=dict(slide.layers), **parts)
    if counts_layer == "raw" and slide.raw is not None:
        whole = slide.raw.to_adata()
        whole.obs, whole.uns = slide.obs, slide.uns
        return whole
    msg = f"the slide has no layer {counts_layer!r} for --counts-layer; it has: {', '.join(_places(slide)) or 'none'}"
    raise InputError(msg)


def as_counts(slide: AnnData) -> sparse.csr_matrix:
    """Return X as CSR float32, having checked that it holds raw counts.

    Raises
    ------
    InputError
        Where values are missing, negative or not whole, or all are zero; names the layers that look like counts.
    """
    if slide.X is None:
        msg = f"the slide has no X, raw counts are expected there: {_way_on(slide)}"
        raise InputError(msg)
    problem = _problem(slide.X)
    if problem:
        msg = f"X does not hold raw counts: {problem}; {_way_on(slide)}"
        raise InputError(msg)
    counts = sparse.csr_matrix(slide.X, dtype=np.float32)
    if not counts.has_canonical_format or not counts.data.all():
        counts = counts.copy()  # what follows works in place, and the arrays may still be the caller's
        counts.sum_duplicates()
        counts.eliminate_zeros()
    return counts


def as_markers(slide: AnnData) -> npt.NDArray[np.float32]:
    """Return X as dense float32, having checked that every value is finite."""
    if slide.X is None:
        msg = "the slide has no X, marker values are expected there"
        raise InputError(msg)
    dense = slide.X.toarray() if sparse.issparse(slide.X) else np.asarray(slide.X)
    bad = int((~np.isfinite(dense)).sum())
    if bad:
        rows = int((~np.isfinite(dense)).any(axis=1).sum())
        msg = f"X has {bad} missing or infinite marker values in {rows} cells: fill them or leave the cells out"
        raise InputError(msg)
    return dense.astype(np.float32)


def _problem(matrix: npt.NDArray[Any] | sparse.spmatrix) -> str | None:
    """Return what keeps a matrix from being raw counts, None if nothing does."""
    values: npt.NDArray[Any] = np.asarray(matrix.data if sparse.issparse(matrix) else matrix).ravel()
    if values.dtype == bool:
        values = values.view(np.uint8)
    if not np.issubdtype(values.dtype, np.number):
        return f"its values are {values.dtype}, not numbers"
    if values.size == 0 or not values.any():
        return "every count is zero"
    if np.issubdtype(values.dtype, np.floating):
        bad = int((~np.isfinite(values)).sum())
        if bad:
            return f"{bad} values are missing or infinite"
    low, high = values.min(), values.max()
    if low < 0:
        return f"negative values occur (down to {low:.4g}), as in scaled data or protein markers"
    if not np.issubdtype(values.dtype, np.integer):
        odd = values[values != np.floor(values)]
        if odd.size:
            look = "log-normalised" if high < 30 else "normalised"
            return (
                f"{odd.size} values are not whole numbers (first {odd[0]:.4g}, largest {high:.4g}), as in {look} data"
            )
    return f"a count of {high:.4g} is beyond what counts can be" if high > _LARGEST else None


def _places(slide: AnnData) -> list[str]:
    return [*slide.layers, *(["raw"] if slide.raw is not None else [])]


def _way_on(slide: AnnData) -> str:
    """Return the option that helps: a layer or ``.raw`` that does hold counts, by name."""
    found = [name for name in slide.layers if _problem(slide.layers[name]) is None]
    if slide.raw is not None and _problem(slide.raw.X) is None:
        found.append("raw")
    if found:
        return f"counts are in {', '.join(map(repr, found))}: give `--counts-layer {found[0]}`"
    held = f"no layer ({', '.join(_places(slide))})" if _places(slide) else "no layer"
    return (
        f"{held} holds counts either: add one and give `--counts-layer NAME` (or is this a slide of protein markers?)"
    )
