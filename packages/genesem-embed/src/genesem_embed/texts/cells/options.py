"""The choices of `cell-sentences`; all that the paper leaves open is an option here, and the defaults are ours."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from genesem_embed.datasets.splits import SplitBy
from genesem_embed.errors import InputError

Section = Literal["similar", "near", "dissimilar", "distant"]
Scaling = Literal["auto", "raw", "zscore", "p99"]
Similarity = Literal["cosine", "pearson", "euclidean"]
Distance = Literal["euclidean", "l1", "cosine"]
SECTIONS: tuple[Section, ...] = ("similar", "near", "dissimilar", "distant")


@dataclass(frozen=True, kw_only=True)
class CellOptions:
    """How cells and their neighbours become sentences."""

    k: int = 1
    """Cells per section; 0 leaves the target's own sentence alone. The paper finds 1 to 3 best."""
    sections: tuple[Section, ...] = SECTIONS
    """Sections to write; those that `pairing` or `negatives` excludes are left out as well."""
    pairing: Literal["union", "intersection", "spatial", "expression"] = "union"
    """`union`: similar cells and near cells; `intersection`: cells that are both, else as `union`; the others: one."""
    similarity: Similarity = "cosine"
    distance: Distance = "euclidean"
    negatives: Literal["quantile", "paper-like", "random", "none"] = "quantile"
    """`paper-like` takes the most dissimilar and the farthest cells, which are the same few for a whole image;
    `quantile` draws from the far part of the image, no cell more than `reuse_cap` times; `random` draws from all."""
    far_quantile: float = 0.2
    """The far part: this share of the image."""
    reuse_cap: int = 10
    """How often a cell may be drawn as a negative, per section and for each of the `k`."""
    positive_window: tuple[int, int] | None = None
    """First and last rank of the similar and near cells; None is (1, k)."""
    negative_window: tuple[int, int] | None = None
    """The same for `paper-like` negatives; rank 1 is the most dissimilar or farthest."""
    layout: Literal["joint", "paired", "sections"] = "joint"
    """One prompt per cell; or two, with the positives and with the negatives; or the cell's own sentence and every
    section in a prompt of its own, so that no vector blends the cell with its neighbours."""
    scaling: Scaling = "auto"
    """Per marker, before ranking. `zscore` is that of asinh(value), `p99` divides by the 99th percentile. `auto` takes
    `raw` where a value is negative (they were standardised before), else `zscore`."""
    scaling_scope: Literal["training", "image", "cohort"] = "training"
    """Where the scaling is fitted: on the training cells of `fold`; within each image (one text for all folds); or on
    all cells, for a new cohort that a fitted model is shown: a fit refuses to learn from such texts."""
    exclude_markers: tuple[str, ...] | None = None
    """Markers that no sentence names; None leaves out DNA and histone channels."""
    occlude: tuple[str, ...] = ()
    """Markers left out of the target's sentence alone, to see what a model makes of their absence."""
    undetected: Literal["drop", "keep"] = "drop"
    """Name the markers that a cell does not show, too? They rank by chance, or by panel order."""
    target_markers: int | None = 10
    """Names in the target's sentence; None is all it shows. The tail of a ranking costs tokens and tells little."""
    context_markers: int | None = 5
    """Names in a neighbour's sentence; None is all. Five keep a prompt of five sentences within 256 tokens."""
    content: Literal["ranks", "values"] = "ranks"
    """`values` writes names in panel order, each with its scaled value."""
    filler: bool = False
    """Fill the neighbours' sentences with the panel's names in their own order: equal length, nothing said."""
    shuffle_coordinates: bool = False
    """Give each image's coordinates to its cells at random: the control for spatial context."""
    seed: int = 0
    """Of drawn negatives, shuffled coordinates, the sample and the split."""
    sample: int | None = None
    """Write texts for so many cells only, drawn at random by `seed`; their neighbours come from all cells."""
    image_key: str = "image"
    split_by: SplitBy = "patient"
    """What training and test never share. With `cell` every fold has its own texts, since neighbours are divided."""
    split_key: str | None = None
    """Column of the patients or images; None is the column of that name."""
    status_key: str | None = None
    """Column that the folds are stratified by."""
    folds: int = 5
    fold: int | None = None
    """The fold whose test cells no training text may see; None is all folds, or none where no text depends on it."""

    def __post_init__(self) -> None:
        """Refuse values that no text can be written with."""
        hints = get_type_hints(type(self))
        for name, hint in hints.items():
            _check_choice(name, hint, getattr(self, name))
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            if value is not None and value < lowest:
                msg = f"cell-sentences: {name} is {value}; expected at least {lowest}"
                raise InputError(msg)
        if not 0 < self.far_quantile <= 1:
            msg = f"cell-sentences: far_quantile is {self.far_quantile}; expected a share above 0 and at most 1"
            raise InputError(msg)
        for name in ("positive_window", "negative_window"):
            window = getattr(self, name)
            if window is not None and not 1 <= window[0] <= window[1]:
                msg = f"cell-sentences: {name} is {window[0]}-{window[1]}; expected first and last rank, as in 1-3"
                raise InputError(msg)


_LOWEST = {"k": 0, "reuse_cap": 1, "target_markers": 1, "context_markers": 1, "seed": 0, "sample": 1, "folds": 2}


def _check_choice(name: str, hint: Any, value: object) -> None:  # noqa: ANN401 - a type of any form
    if get_origin(hint) is tuple and get_origin(get_args(hint)[0]) is Literal:
        for part in value if isinstance(value, tuple) else ():
            _check_choice(name, get_args(hint)[0], part)
    elif get_origin(hint) is Literal and value not in get_args(hint):
        msg = f"cell-sentences: {name} is {value!r}; expected one of {', '.join(map(str, get_args(hint)))}"
        raise InputError(msg)
