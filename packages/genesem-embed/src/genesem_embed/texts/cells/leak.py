"""The last look before cells are encoded: nothing may pass from test to training, nor from labels into texts."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesem_embed.errors import InputError
from genesem_embed.texts.cells.context import Cells, Context
from genesem_embed.texts.cells.neighbours import NONE

_NUMBER = re.compile(r"-?\d+(\.\d+)?\)?")
_MOST_CLASSES = 60
_TEXTS_READ = 1000


def check_context(cells: Cells, context: Context) -> None:
    """Refuse a neighbour from another image, the cell itself, or a test cell beside a training cell.

    Raises
    ------
    InputError
        There is one; the section and the number are named.
    """
    for section, picks in context.items():
        row = np.broadcast_to(np.arange(len(picks))[:, None], picks.shape)[picks != NONE]
        other = picks[picks != NONE]
        _refuse(section, "stand in another image", cells.image[row] != cells.image[other])
        _refuse(section, "are the cell itself", row == other)
        if cells.training is not None:
            crossing = cells.training[row] & ~cells.training[other]
            _refuse(section, "are test cells in the text of a training cell", crossing)


def check_images(image: npt.NDArray[np.intp], names: Sequence[str], patients: "pd.Series[str]") -> None:
    """Refuse an image that holds cells of several patients, whose neighbours would cross from patient to patient.

    Raises
    ------
    InputError
        There is one; it is named with its patients.
    """
    pairs = pd.DataFrame({"image": image, "patient": patients.to_numpy()}).dropna().drop_duplicates()
    shared = pairs[pairs["image"].duplicated(keep=False)]
    if shared.empty:
        return
    first = int(shared["image"].iloc[0])
    owners = sorted(map(str, shared.loc[shared["image"] == first, "patient"]))
    msg = (
        f"leak: {shared['image'].nunique()} of {len(names)} images hold cells of several patients (first: "
        f"{names[first]} of {', '.join(owners[:5])}); expected one patient an image: name the column of the images "
        "with --cells image_key=, or give images names that no two patients share"
    )
    raise InputError(msg)


def check_words(users: Sequence[str], wording: Iterable[str], markers: Iterable[str]) -> None:
    """Refuse texts with a word that is neither the template's nor a marker's nor a number (reads up to 1,000 texts).

    Raises
    ------
    InputError
        There is such a word: something else, perhaps a label, got into the texts.
    """
    known = set(" ".join([*wording, *markers]).split())
    for text in users[:: max(1, len(users) // _TEXTS_READ)]:
        strange = [word for word in text.split() if word not in known and not _NUMBER.fullmatch(word)]
        if strange:
            msg = f"leak: a text has {strange[0]!r}, which is neither a marker nor the template's; nothing was encoded"
            raise InputError(msg)


def check_markers(values: npt.NDArray[np.floating], names: Sequence[str], obs: pd.DataFrame) -> None:
    """Refuse a marker that is an annotation in disguise: its values name the classes of a column one to one.

    Raises
    ------
    InputError
        There is one; exclude it from the panel.
    """
    most = min(_MOST_CLASSES, len(obs) - 1)  # a column that names every cell is told by any marker without ties
    classes = {key: pd.factorize(obs[key])[0] for key in obs if 2 <= obs[key].nunique() <= most}
    for position, name in enumerate(names):
        code = pd.factorize(values[:, position])[0]
        for key, label in classes.items():
            if code.max() == label.max() and len(np.unique(code * (code.max() + 1) + label)) == code.max() + 1:
                msg = f"leak: marker {name} tells obs[{key!r}] one to one; leave it out: --cells exclude_markers={name}"
                raise InputError(msg)


def _refuse(section: str, what: str, found: npt.NDArray[np.bool_]) -> None:
    if n_found := int(found.sum()):
        msg = f"leak: {n_found} neighbours in section {section} {what}; nothing was encoded: please report this"
        raise InputError(msg)
