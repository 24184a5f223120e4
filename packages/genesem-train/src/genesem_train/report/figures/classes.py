"""Figures of predicted classes: methods side by side, confusion, calibration, patients, left-out words."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genesem_train.report.figures.canvas import inch_axes, new_figure, short
from genesem_train.report.palette import PALETTE

CELL = 0.36
MethodScore = tuple[float, float, float]
"""Value, low and high end of its interval."""


def draw_methods(
    panels: Mapping[str, Mapping[str, MethodScore]],
    own: str,
    *,
    unit: str = "x 100, 95 % over patients",
    zero: bool = False,
) -> Figure:
    """Return one panel a score: a dot and its interval for each method, `own` in colour; `zero` has a line there."""
    names = list(next(iter(panels.values())))
    height, label_width, panel_width = 0.26 * len(names) + 0.1, 2.8, 2.15
    figure = new_figure(label_width + len(panels) * (panel_width + 0.2) + 0.15, height + 0.8)
    for place, (title, scores) in enumerate(panels.items()):
        axes = inch_axes(figure, label_width + place * (panel_width + 0.2), 0.48, panel_width, height)
        if zero:
            axes.axvline(0, color="#bbbbbb", linewidth=0.8, linestyle="--")
        for row, name in enumerate(names):
            value, low, high = scores[name]
            colour = PALETTE[0] if name == own else "#777777"
            axes.plot([low, high], [row, row], color=colour, linewidth=1.4)
            axes.plot(value, row, "o", color=colour, markersize=5)
            axes.annotate(f"{value:.1f}", (value, row), (0, 4), textcoords="offset points", ha="center", fontsize=6.5)
        axes.set(ylim=(len(names) - 0.5, -0.7), title=title, xlabel=unit)
        axes.set_yticks(range(len(names)), [short(name) for name in names] if place == 0 else [""] * len(names))
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12)
        axes.grid(axis="x", color="#e6e6e6", linewidth=0.6)
        axes.set_axisbelow(True)
    return figure


def draw_confusion(confusion: Float[np.ndarray, "class class"], names: Sequence[str]) -> Figure:
    """Return the share of each true class (row) that each class was predicted for, in percent."""
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1e-12)
    labels = [f"{short(name)} ({count:,.0f})" for name, count in zip(names, confusion.sum(axis=1), strict=True)]
    figure, axes = _matrix(
        share, labels, [short(name) for name in names], "% of the true class", (0.0, 100.0), "cividis"
    )
    for row, column in np.ndindex(*share.shape):
        if share[row, column] >= 0.5:
            shade = "white" if share[row, column] < 55 else "black"
            axes.text(column, row, f"{share[row, column]:.0f}", ha="center", va="center", color=shade, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true (cells)")
    return figure


def draw_occlusion(
    change: Float[np.ndarray, "left_out class"], left_out: Sequence[str], names: Sequence[str]
) -> Figure:
    """Return the change of the true class's probability (points of 100) when a word or section is left out."""
    bound = max(1.0, float(np.nanmax(np.abs(change))))
    figure, axes = _matrix(
        change.T, [short(n) for n in names], [short(n) for n in left_out], "change in points", (-bound, bound), "RdBu_r"
    )
    axes.set(xlabel="left out", ylabel="true class")
    return figure


def draw_reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Return accuracy against confidence, one panel a task; a dot's area is its share of the cells."""
    side = 2.2
    figure = new_figure(len(curves) * (side + 0.7) + 0.15, side + 0.85)
    for place, (title, (confidence, accuracy, share)) in enumerate(curves.items()):
        axes = inch_axes(figure, 0.55 + place * (side + 0.7), 0.5, side, side)
        axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8, linestyle="--")
        axes.plot(confidence, accuracy, color=PALETTE[0], linewidth=0.9)
        axes.scatter(confidence, accuracy, s=6 + 180 * share, color=PALETTE[0], linewidths=0)
        axes.set(xlim=(0, 1.03), ylim=(0, 1.03), title=title, xlabel="confidence", ylabel="share that is right")
        axes.set_aspect("equal")
    return figure


def draw_patients(
    probs: Float[np.ndarray, "patient status"],
    status: Int[np.ndarray, " patient"],
    patients: Sequence[str],
    names: Sequence[str],
) -> Figure:
    """Return the predicted probability of each patient's status, one row a patient, true status as colour."""
    shown = [int(row) for row in np.flatnonzero(status >= 0)]
    shown.sort(key=lambda row: (status[row], probs[row, -1]))
    height, width = 0.15 * len(shown) + 0.1, 4.2
    figure = new_figure(width + 1.6, height + 1.05)
    axes = inch_axes(figure, 1.35, 0.5, width, height)
    axes.axvline(1 / len(names) if len(names) > 2 else 0.5, color="#bbbbbb", linewidth=0.8, linestyle="--")
    for code, name in enumerate(names):
        rows = [place for place, row in enumerate(shown) if status[row] == code]
        values = [probs[shown[place], -1] for place in rows]
        axes.scatter(values, rows, s=22, color=PALETTE[code % len(PALETTE)], linewidths=0, label=f"truly {name}")
    axes.set(xlim=(0, 1), ylim=(len(shown) - 0.4, -0.6), xlabel=f"predicted probability of {names[-1]}")
    axes.set_yticks(range(len(shown)), [short(patients[row]) for row in shown], fontsize=6.5)
    axes.grid(axis="y", color="#eeeeee", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=min(3, len(names)), handletextpad=0.2)
    return figure


def _matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], unit: str, limits: tuple[float, float], cmap: str
) -> tuple[Figure, Axes]:
    """Return a heat map whose cells have one size whatever their number, names on both sides, and its axes."""
    width, height = CELL * len(columns), CELL * len(rows)
    left, bottom = 0.4 + 0.075 * max(map(len, rows)), 0.45 + 0.06 * max(map(len, columns))
    figure = new_figure(left + width + 0.95, bottom + height + 0.2)
    axes = inch_axes(figure, left, bottom, width, height)
    image = axes.imshow(values, vmin=limits[0], vmax=limits[1], cmap=cmap, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    tall = min(height, 3.0)
    figure.colorbar(image, cax=inch_axes(figure, left + width + 0.15, bottom + height - tall, 0.14, tall), label=unit)
    return figure, axes
