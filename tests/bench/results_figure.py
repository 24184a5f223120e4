"""The table of docs/results.md to look at: every seed a dot, the consensus a diamond, the baselines as lines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

COLOURS = {"none": "#555555", "symbols": "#0072b2", "summaries": "#009e73", "random": "#d55e00"}
COLUMNS = 4
WIDTH, HEIGHT = 2.9, 2.6
OFFSET = 0.19

Found = Mapping[tuple[str, str], Mapping[str, Any]]
"""By slide and method: the rows of an ablation, and its baselines."""


def draw_results(found: Found, semantics: Mapping[str, str]) -> Figure:
    """Return one panel a slide; `semantics` names the rows to draw, each with the name that the legend has."""
    slides = list(dict.fromkeys(slide for slide, _ in found))
    methods = list(dict.fromkeys(method for _, method in found))
    n_rows = -(-(len(slides) + 1) // COLUMNS)
    figure = Figure(figsize=(WIDTH * COLUMNS, HEIGHT * n_rows), layout="constrained")
    panels = np.atleast_2d(figure.subplots(n_rows, COLUMNS, sharey=True)).ravel()
    for panel, slide in zip(panels, slides, strict=False):
        draw_slide(panel, {method: found[slide, method] for method in methods if (slide, method) in found}, semantics)
        panel.set_title(slide)
    for panel in panels[len(slides) :]:
        panel.set_axis_off()
    panels[len(slides)].legend(handles=legend(list(semantics.values())), loc="center", frameon=False)
    for panel in panels[: len(slides) : COLUMNS]:
        panel.set_ylabel("ARI x 100")
    return figure


def draw_slide(panel: Axes, methods: Mapping[str, Mapping[str, Any]], semantics: Mapping[str, str]) -> None:
    """Draw the seeds and the consensus of every method on one slide."""
    baseline = next(iter(methods.values()))["baseline"]
    for name, dashes in (("pca", ":"), ("smooth-pca", "--")):
        panel.axhline(baseline[name]["ari"], color="black", linewidth=0.8, linestyle=dashes)
    for place, found in enumerate(methods.values()):
        for position, (row, name) in enumerate(semantics.items()):
            if row not in found["rows"]:
                continue
            x = place + (position - (len(semantics) - 1) / 2) * OFFSET
            seeds = [one["ari"] for one in found["rows"][row]["seeds"]]
            panel.plot([x] * len(seeds), seeds, "o", color=COLOURS[name], markersize=3, alpha=0.5, markeredgewidth=0)
            panel.plot(x, found["rows"][row]["consensus"]["ari"], "D", color=COLOURS[name], markersize=5)
    panel.set_xticks(range(len(methods)), list(methods))
    panel.set_xlim(-0.5, len(methods) - 0.5)


def legend(names: Sequence[str]) -> list[Line2D]:
    """Return what stands in the legend."""
    dots = [Line2D([], [], color=COLOURS[name], marker="D", linestyle="", label=name) for name in names]
    seed = Line2D([], [], color="grey", marker="o", markersize=3, linestyle="", label="a seed (diamond: consensus)")
    lines = [
        Line2D([], [], color="black", linewidth=0.8, linestyle=dashes, label=name)
        for name, dashes in (("smooth-pca", "--"), ("pca", ":"))
    ]
    return [*dots, seed, *lines]
