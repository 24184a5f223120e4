"""What slides from outside hold beside genes and tissue: dropped where it is marked so, told where it looks so.

A slide that was read by other software still has the spots beside the tissue, or the probes that measure nothing; a
file of several sections has them one on top of the other. Neither is refused: the warning says what was done.
"""

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse
from scipy.spatial import cKDTree

from genesem_embed.errors import InputError

IN_TISSUE = "in_tissue"
FEATURE_TYPES = "feature_types"
GENES = "Gene Expression"
CONTROLS = (
    r"(?i:blank[-_ ]?\d+|neg(ative)?[-_ ]?(control|prb|probe)\w*|neg(ative)?prb\d*|negative\d+|systemcontrol\d*|"
    r"antisense_\w+|(unassigned|deprecated)[-_ ]?codeword\w*|intergenic[-_ ]?region\w*)([-_].*)?"
)
"""Names of probes and codewords that measure no gene, as Xenium, MERSCOPE and CosMx give them."""
SECTIONS = ("library_id", "sample", "sample_id", "section", "section_id", "slice", "slice_id", "slide", "slide_id")
MIXED = 0.2
"""Of the spots may lie nearest to one of another section; where sections lie apart, hardly any does."""
NAMED = 3


def drop_outside_tissue(slide: AnnData) -> AnnData:
    """Return the spots that ``obs["in_tissue"]`` does not mark as outside.

    Raises
    ------
    InputError
        When it marks all of them so.
    """
    if IN_TISSUE not in slide.obs:
        return slide
    marks = pd.to_numeric(slide.obs[IN_TISSUE].astype(str).replace({"True": "1", "False": "0"}), errors="coerce")
    outside = (marks == 0).to_numpy()
    if outside.all():
        msg = f"obs[{IN_TISSUE!r}] is 0 for all {slide.n_obs} spots: none is in tissue"
        raise InputError(msg)
    if not outside.any():
        return slide
    _tell(f"{outside.sum()} of {slide.n_obs} spots are outside of the tissue (obs[{IN_TISSUE!r}] is 0): left out")
    return slide[~outside]


def drop_controls(slide: AnnData) -> AnnData:
    """Return the genes: what ``var["feature_types"]`` calls otherwise, or is named as a control, is left out.

    Raises
    ------
    InputError
        When nothing is left.
    """
    named = np.asarray(slide.var_names.astype(str).str.fullmatch(CONTROLS), dtype=bool)
    if FEATURE_TYPES in slide.var:
        kinds = slide.var[FEATURE_TYPES].astype(str)
        named |= (kinds != GENES).to_numpy() & (kinds == GENES).any()
    if named.all():
        msg = f"all {slide.n_vars} features are controls ({_some(slide.var_names)}); genes are expected"
        raise InputError(msg)
    if not named.any():
        return slide
    _tell(f"{named.sum()} of {slide.n_vars} features are no genes ({_some(slide.var_names[named])}): left out")
    return slide[:, ~named]


def tell_empty(counts: sparse.csr_matrix) -> None:
    """Warn of spots without any count."""
    empty = int((counts.getnnz(axis=1) == 0).sum())
    if empty:
        _tell(f"{empty} of {counts.shape[0]} spots have no counts; they stay: leave them out if they are no tissue")


def tell_sections(obs: pd.DataFrame, coords: npt.NDArray[np.float64]) -> None:
    """Warn where a column names several sections that lie one on top of the other."""
    for column in SECTIONS:
        if column not in obs or not 1 < obs[column].nunique() <= len(obs) // 10:
            continue
        codes = pd.factorize(obs[column])[0]
        nearest = cKDTree(coords).query(coords, k=2)[1][:, 1]
        if np.mean(codes[nearest] != codes) > MIXED:
            _tell(
                f"obs[{column!r}] names {obs[column].nunique()} sections that lie one on top of the other, so spots of "
                "different sections count as neighbours: write each to an .h5ad of its own, one --dataset each"
            )
            return


def _some(names: "pd.Index[str]") -> str:
    return f"{', '.join(map(str, names[:NAMED]))}{', ...' if len(names) > NAMED else ''}"


def _tell(words: str) -> None:
    warnings.warn(words, UserWarning, stacklevel=4)
