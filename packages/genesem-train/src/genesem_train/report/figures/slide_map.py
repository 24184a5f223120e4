"""Rows of equal maps of the slide: spots at their own size, equal axes, y down, legend below.

The layout is computed in inches, so that the size of a spot on paper follows from the spacing of the spots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import KDTree

from genesem_train.report.figures.canvas import inch_axes, legend_below, legend_shape, new_figure
from genesem_train.report.palette import MISSING, colours

GAP = 0.22
TITLE = 0.26
MARGIN = 0.12
DENSE_POINTS = 2.5
SPACING_SAMPLE = 4000


@dataclass(frozen=True, kw_only=True)
class MapSize:
    """One panel: its size in inches, the slide's corner and extent, the diameter of a spot in points."""

    width: float
    height: float
    corner: Float[np.ndarray, " 2"]
    extent: Float[np.ndarray, " 2"]
    spot: float


def spot_spacing(coords: Real[np.ndarray, "spot 2"]) -> float:
    """Return the typical distance between neighbours, in the units of the coordinates.

    The geometric mean of the median distances to the first and to the fourth neighbour: on a square or hexagonal
    lattice the lattice constant, and for scattered cells about three quarters of what a lattice as dense would have,
    so that few of them hide each other.
    """
    sample = np.random.default_rng(0).permutation(len(coords))[:SPACING_SAMPLE]
    ranks = [min(2, len(coords)), min(5, len(coords))]
    nearest, fourth = np.median(KDTree(coords).query(coords[sample], k=ranks)[0], axis=0)
    spacing = float(np.sqrt(nearest * fourth)) if nearest > 0 else float(fourth)
    return spacing if spacing > 0 else float(np.ptp(coords, axis=0).max()) / max(1.0, len(coords) ** 0.5) or 1.0


def panel_columns(n_panels: int) -> int:
    """Return how many maps stand side by side: few enough to be read at the width of a page."""
    return 2 if n_panels == 4 else min(3, n_panels)


def map_size(coords: Real[np.ndarray, "spot 2"], n_panels: int) -> MapSize:
    """Return the panel size that suits the shape of the slide and the number of panels."""
    return panel_size([coords], n_panels)


def panel_size(slides: Sequence[Real[np.ndarray, "spot 2"]], n_panels: int) -> MapSize:
    """Return the panel size that suits several slides: it holds the largest, and spots are as far as on the densest."""
    spacing = min(spot_spacing(coords) for coords in slides)
    corner = np.min([coords.min(axis=0) for coords in slides], axis=0) - spacing
    extent = np.max([coords.max(axis=0) for coords in slides], axis=0) + spacing - corner
    width = 4.4 if panel_columns(n_panels) <= 2 else 3.3
    height = width * extent[1] / extent[0]
    # a very tall or very flat slide keeps its shape in a panel of bearable size
    shrink = min(1.0, 6.0 / height)
    width, height = width * shrink, max(height * shrink, 0.3)
    points_a_unit = 72 * width / extent[0]
    return MapSize(
        width=width, height=height, corner=corner, extent=extent, spot=float(np.clip(spacing * points_a_unit, 0.35, 14))
    )


def draw_map(
    axes: Axes, coords: Real[np.ndarray, "spot 2"], values: np.ndarray, size: MapSize, *, cmap: str | None = None
) -> None:
    """Draw one dot a spot, as pixels rather than shapes so that a million spots stay quick."""
    dense = size.spot < DENSE_POINTS
    axes.scatter(
        coords[:, 0],
        coords[:, 1],
        c=values,
        cmap=cmap,
        vmin=0 if cmap else None,
        vmax=1 if cmap else None,
        # dots near the size of a pixel overlap a little and keep their true place, or the pixel grid shows as bands
        s=((1.3 if dense else 0.96) * size.spot) ** 2,
        snap=not dense,
        marker="s" if dense else "o",
        linewidths=0,
        rasterized=True,
    )
    axes.set_xlim(size.corner[0], size.corner[0] + size.extent[0])
    axes.set_ylim(size.corner[1] + size.extent[1], size.corner[1])
    axes.set_aspect("equal")
    axes.set_axis_off()


def domain_maps(
    coords: Real[np.ndarray, "spot 2"], panels: Mapping[str, Int[np.ndarray, " spot"]], names: Mapping[int, str]
) -> Figure:
    """Return a figure with one map of the slide a panel, codes to colours by `names`, and one legend for all."""
    return placed_maps({title: (coords, codes) for title, codes in panels.items()}, names)


def placed_maps(
    panels: Mapping[str, tuple[Real[np.ndarray, "spot 2"], Int[np.ndarray, " spot"]]], names: Mapping[int, str]
) -> Figure:
    """Return a figure with one map a panel, each of its own spots; all panels have one scale and one legend."""
    distinct = {id(coords): coords for coords, _ in panels.values()}
    size = panel_size(list(distinct.values()), len(panels))
    columns = panel_columns(len(panels))
    rows = -(-len(panels) // columns)
    width = max(4.0, columns * size.width + (columns - 1) * GAP + 2 * MARGIN)
    legend_columns, legend_height = legend_shape(names, width - 2 * MARGIN)
    height = rows * (size.height + TITLE + GAP) + legend_height
    figure = new_figure(width, height)
    for place, (title, (coords, codes)) in enumerate(panels.items()):
        left = MARGIN + (place % columns) * (size.width + GAP)
        bottom = height - (place // columns + 1) * (size.height + TITLE + GAP) + GAP
        axes = inch_axes(figure, left, bottom, size.width, size.height)
        unlabelled_first = np.argsort(codes != MISSING, kind="stable")
        draw_map(axes, coords[unlabelled_first], colours(codes[unlabelled_first]), size)
        axes.set_title(title)
    legend_below(figure, names, legend_columns, left=MARGIN, top=legend_height)
    return figure
