"""Light, plain figures: one look for all of them, and a legend that never lies over the data.

Figures are made without pyplot, so nothing is global and nothing stays open.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from genesem_train.report.palette import MISSING, MISSING_COLOUR, PALETTE

DPI = 160
LEGEND_ROW = 0.185
NAME_LENGTH = 36
STYLE: Any = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.linewidth": 0.6,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "axes.prop_cycle": cycler(color=list(PALETTE[:7])),
}


@contextmanager
def plain_style() -> Iterator[None]:
    """Set the look of every figure drawn inside the block."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def inch_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place given in inches from the lower left corner."""
    full_width, full_height = figure.get_size_inches()
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG without a date or version in it."""
    figure.savefig(path, format="png", metadata={"Software": None})


def short(name: str) -> str:
    """Return the name cut to what a legend column holds."""
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"


def legend_shape(names: Mapping[int, str], width: float) -> tuple[int, float]:
    """Return how many columns the legend takes in `width` inches, and its height in inches."""
    column = 0.42 + 0.078 * max(len(short(name)) for name in names.values())
    columns = max(1, min(len(names), int(width // column)))
    return columns, LEGEND_ROW * -(-len(names) // columns) + 0.12


def legend_below(figure: Figure, names: Mapping[int, str], columns: int, *, left: float, top: float) -> None:
    """Draw one dot and name a code in a strip of its own; `left` and `top` in inches."""
    width, height = figure.get_size_inches()
    handles = [
        Line2D(
            [], [], linestyle="", marker="o", markersize=6, markeredgewidth=0, label=short(name), color=_colour(code)
        )
        for code, name in names.items()
    ]
    figure.legend(
        handles=handles,
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=(left / width, top / height),
        borderaxespad=0,
        borderpad=0,
        handletextpad=0.3,
        columnspacing=1.2,
        labelspacing=0.35,
    )


def _colour(code: int) -> str:
    return MISSING_COLOUR if code == MISSING else PALETTE[code % len(PALETTE)]
