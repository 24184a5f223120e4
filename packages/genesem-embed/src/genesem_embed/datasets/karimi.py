"""The Zenodo folders of Karimi et al. 2023 measured to one AnnData: mask and stack to cells, ``.mat`` to types.

``BRAIN_IMC_MaskTif/<image>.tif`` is the stack of channels. ``BRAIN_IMC_Segmentation/<image>/nuclei_multiscale.mat``
holds the mask as ``nucleiOccupancyIndexed``; a label image ``<image>.tif`` serves too.
``BRAIN_IMC_CellType/<image>.mat`` holds ``cellTypes``, whose row n is the cell with mask number n.
"""

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from PIL import Image, ImageSequence, UnidentifiedImageError
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from genesem_embed.datasets.clinical import read_clinical
from genesem_embed.datasets.markers import cell_slide
from genesem_embed.datasets.measure import Cells, measure_cells
from genesem_embed.errors import InputError

# Neither the paper nor the record's file names tell the order of the channels; this is the one that a public script of
# another group uses for these stacks (see the entry's note). The two panels differ in channels 18, 20 and 21.
_SHARED = (
    *("CD117", "CD11c", "CD14", "CD163", "CD16", "CD20", "CD31", "CD3", "CD4"),
    *("CD68", "CD8a", "CD94", "DNA1", "FoxP3", "GFAP", "HLA-DR", "MPO"),
)
_PANELS = {
    "Glioma": (*_SHARED, "Olig2", "P2RY12", "Sox2", "Sox9"),
    "BrM": (*_SHARED, "MelanA", "P2RY12", "PMEL", "PanCK"),
}
_MASK = "nucleiOccupancyIndexed"
_STATUS = {"Glioma": "glioma", "BrM": "metastasis"}
_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    MatReadError,
    UnidentifiedImageError,
    NotImplementedError,
)


def read_karimi(folder: Path) -> AnnData:
    """Return every cell in `folder`: X channel means, obs cell_type, image, patient, status and area.

    Only markers that every image has are kept: a marker that one tumour type lacks would give its type away.

    Raises
    ------
    InputError
        Where an image has no mask or types, their sizes differ, or a file cannot be read.
    """
    stacks = sorted((folder / "BRAIN_IMC_MaskTif").glob("*.tif*"))
    if not stacks:
        msg = f"{folder / 'BRAIN_IMC_MaskTif'} holds no .tif: put the image stacks of the source there"
        raise InputError(msg)
    shared = _shared_markers({_group(path.stem) for path in stacks})
    values, parts = zip(*_read_images(folder, stacks, shared), strict=True)
    obs = pd.concat(parts)
    clinical = read_clinical(folder, obs["image"].unique().tolist())
    obs["patient"] = obs["image"].map(clinical["patient"]) if "patient" in clinical else _patients(obs["image"])
    if "status" in clinical:
        obs["status"] = obs["image"].map(clinical["status"])
    coordinates = obs[["x", "y"]].to_numpy()
    return cell_slide(np.concatenate(values), shared, obs.drop(columns=["x", "y"]), coordinates)


def _read_images(
    folder: Path, stacks: list[Path], shared: list[str]
) -> Iterator[tuple[npt.NDArray[np.float32], pd.DataFrame]]:
    for path in stacks:
        panel = _PANELS[_group(path.stem)]
        stack = _read_stack(path)
        mask = _read_mask(folder / "BRAIN_IMC_Segmentation", path.stem)
        if len(stack) != len(panel) or mask.shape != stack.shape[1:]:
            msg = (
                f"{path}: the stack is {stack.shape}, the mask {mask.shape}; expected {len(panel)} channels "
                "of the size of the mask"
            )
            raise InputError(msg)
        cells = measure_cells(mask, stack)
        types = _read_types(folder / "BRAIN_IMC_CellType" / f"{path.stem}.mat")
        yield cells.means[:, [panel.index(name) for name in shared]], _annotate(path.stem, cells, types)


def _annotate(image: str, cells: Cells, types: list[str]) -> pd.DataFrame:
    """Return the obs of one image; row n of the types is the cell with mask number n."""
    if cells.numbers.size and cells.numbers[-1] > len(types):
        msg = f"{image}: the mask numbers {cells.numbers[-1]} cells, cellTypes has {len(types)} rows"
        raise InputError(msg)
    return pd.DataFrame(
        {
            "cell_type": [types[number - 1] or None for number in cells.numbers],
            "image": image,
            "status": _STATUS[_group(image)],
            "area": cells.areas,
            "x": cells.centres[:, 0],
            "y": cells.centres[:, 1],
        },
        index=[f"{image}_{number}" for number in cells.numbers],
    )


def _read_stack(path: Path) -> npt.NDArray[np.generic]:
    try:
        with Image.open(path) as opened:
            return np.stack([np.asarray(frame) for frame in ImageSequence.Iterator(opened)])
    except _BROKEN as error:
        raise InputError(_unreadable(path, "a stack of channels", error)) from error


def _read_mask(folder: Path, image: str) -> npt.NDArray[np.integer]:
    """Return the label image: from the authors' ``.mat``, else from a TIFF of the image's name."""
    path = folder / image / "nuclei_multiscale.mat"
    if not path.exists():
        path = next((found for found in (folder / f"{image}.tif", folder / f"{image}.tiff") if found.exists()), path)
    if path.suffix != ".mat":
        label_image: npt.NDArray[np.int64] = _read_stack(path)[0].astype(np.int64)
        return label_image
    try:
        mask: npt.NDArray[np.int64] = loadmat(path, variable_names=[_MASK])[_MASK].astype(np.int64)
    except _BROKEN as error:
        raise InputError(_unreadable(path, f"a mask ({_MASK})", error)) from error
    return mask


def _read_types(path: Path) -> list[str]:
    """Return the type of every cell, "" where a row is empty."""
    try:
        rows = loadmat(path, variable_names=["cellTypes"])["cellTypes"].ravel()
        return [_text(row) for row in rows]
    except _BROKEN as error:
        raise InputError(_unreadable(path, "cell types (cellTypes)", error)) from error


def _text(value: object) -> str:
    """Return the text in a MATLAB cell, which arrives as arrays in arrays."""
    while isinstance(value, np.ndarray):
        if not value.size:
            return ""
        value = value.ravel()[0]
    return str(value).strip()


def _unreadable(path: Path, what: str, error: Exception) -> str:
    if not path.exists():
        return f"there is no {path}: {what} is expected there"
    return f"{path} cannot be read as {what} ({(str(error).splitlines() or ['damaged'])[0]})"


def _group(image: str) -> str:
    group = next((name for name in _PANELS if image.startswith(name)), None)
    if group is None:
        msg = f"{image}: the name of an image starts with {' or '.join(_PANELS)}, which tells its panel"
        raise InputError(msg)
    return group


def _shared_markers(groups: set[str]) -> list[str]:
    panels = [_PANELS[group] for group in sorted(groups)]
    return [name for name in panels[0] if all(name in panel for panel in panels)]


def _patients(images: "pd.Series[str]") -> "pd.Series[str]":
    """Return the image names without a trailing letter as patients, saying that this is a guess."""
    msg = (
        "no clinical table tells whose image is whose: patients are guessed from the names of the images "
        "(a last letter or _number is taken for a second image of the same patient)"
    )
    warnings.warn(msg, UserWarning, stacklevel=2)
    return images.map(lambda name: re.sub(r"(?<=\d)([A-Za-z]|_\d+)$", "", name))
