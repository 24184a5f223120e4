"""The neighbours of every cell, image by image: four lists, none of which ever leaves an image or reads a label."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.costs import Points, make_points
from genesem_embed.texts.cells.negatives import draw_far_cells
from genesem_embed.texts.cells.neighbours import NONE, Picks, extreme_cells, in_both
from genesem_embed.texts.cells.options import CellOptions

Context = dict[str, Picks]
"""By section (similar, near, both, dissimilar, distant): rows of other cells, one row per cell, -1 where none."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """What context is taken from."""

    values: npt.NDArray[np.float64]
    """Scaled markers, one row per cell."""
    coords: npt.NDArray[np.float64]
    image: npt.NDArray[np.intp]
    """Number of each cell's image."""
    image_names: list[str]
    training: npt.NDArray[np.bool_] | None
    """Training cells of the fold, where there is one."""


def find_context(cells: Cells, options: CellOptions) -> Context:
    """Return the neighbours of every cell, as rows of the whole cohort.

    Each image and section has random numbers of its own, named by the seed, the image and the section, so that no image
    changes another's texts, and switching one section off leaves the others as they are.
    """
    if options.k == 0:
        return {}
    n_cells = len(cells.values)
    context: Context = {}
    for number, name in enumerate(cells.image_names):
        for rows in _candidates(cells, number):
            for section, picks in _image_context(cells, rows, name, options):
                found = context.setdefault(section, np.full((n_cells, picks.shape[1]), NONE, dtype=np.int64))
                found[rows] = np.where(picks == NONE, NONE, rows[picks])
    return context


def hub_shares(context: Context) -> dict[str, dict[str, float]]:
    """Return for each section how many distinct cells it names, and the share of its most frequent one."""
    shares = {}
    for section, picks in context.items():
        counts = np.bincount(picks[picks != NONE])
        total = max(int(counts.sum()), 1)
        shares[section] = {
            "n_distinct": int((counts > 0).sum()),
            "max_share": round(int(counts.max(initial=0)) / total, 6),
        }
    return shares


def _candidates(cells: Cells, number: int) -> Iterator[npt.NDArray[np.intp]]:
    """Give the cells of an image, then its training cells alone, which so never meet a test cell.

    The second context replaces the first. Where an image is all training or all test, once is enough.
    """
    rows = np.flatnonzero(cells.image == number)
    yield rows
    if cells.training is not None and 0 < cells.training[rows].sum() < len(rows):
        yield rows[cells.training[rows]]


def _image_context(
    cells: Cells, rows: npt.NDArray[np.intp], image: str, options: CellOptions
) -> Iterator[tuple[str, Picks]]:
    coords = cells.coords[rows]
    if options.shuffle_coordinates:
        coords = coords[_random(options.seed, image, "coordinates").permutation(len(rows))]
    expression = make_points(cells.values[rows], options.similarity)
    space = make_points(coords, options.distance)
    yield from _positives(expression, space, options)
    yield from _negatives(expression, space, image, options)


def _positives(expression: Points, space: Points, options: CellOptions) -> Iterator[tuple[str, Picks]]:
    window = options.positive_window or (1, options.k)
    both = options.pairing == "intersection"
    found = {
        section: extreme_cells(points, window)
        for section, points in (("similar", expression), ("near", space))
        if both or _is_wanted(section, options)
    }
    if both:
        shared = in_both(found["similar"], found["near"])
        alone = (shared == NONE).all(axis=1)
        yield "both", shared
        found = {
            name: np.where(alone[:, None], picks, NONE) for name, picks in found.items() if name in options.sections
        }
    yield from found.items()


def _negatives(
    expression: Points,
    space: Points,
    image: str,
    options: CellOptions,
) -> Iterator[tuple[str, Picks]]:
    for section, points in (("dissimilar", expression), ("distant", space)):
        if not _is_wanted(section, options):
            continue
        if options.negatives == "paper-like":
            window = options.negative_window or (1, options.k)
            yield section, extreme_cells(points, window, farthest=True)
        else:
            quantile = 1.0 if options.negatives == "random" else options.far_quantile
            cap = options.reuse_cap * options.k
            rng = _random(options.seed, image, section)
            yield section, draw_far_cells(points, options.k, quantile=quantile, cap=cap, rng=rng)


def _is_wanted(section: str, options: CellOptions) -> bool:
    if section not in options.sections:
        return False
    if options.negatives == "none" and section in {"dissimilar", "distant"}:
        return False
    excluded = {"spatial": {"similar", "dissimilar"}, "expression": {"near", "distant"}}
    return section not in excluded.get(options.pairing, set())


def _random(seed: int, image: str, purpose: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{purpose}:{image}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
