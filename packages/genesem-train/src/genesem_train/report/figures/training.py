"""What training did: every loss term over the epochs, and how far the semantics scale and shift the latent."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from genesem_train.report.figures.canvas import inch_axes, new_figure
from genesem_train.report.inputs import ReportInput
from genesem_train.report.palette import PALETTE

PANEL_WIDTH, PANEL_HEIGHT = 2.6, 1.8
LEFT, BOTTOM, TOP, BETWEEN = 0.62, 0.5, 0.32, 0.62


def draw_losses(inputs: ReportInput) -> Figure:
    """Return one panel a loss term, one line a seed."""
    terms = list(dict.fromkeys(term for curves in inputs.losses.values() for term in curves))
    terms = [term for term in terms if term != "total" or len(terms) > 2]  # of one term, the total is that term
    columns = min(4, len(terms))
    rows = -(-len(terms) // columns)
    figure = new_figure(columns * (PANEL_WIDTH + BETWEEN) + LEFT + 0.35, rows * (PANEL_HEIGHT + BOTTOM + TOP))
    for place, term in enumerate(terms):
        row, column = divmod(place, columns)
        bottom = (rows - 1 - row) * (PANEL_HEIGHT + BOTTOM + TOP) + BOTTOM
        axes = inch_axes(figure, LEFT + column * (PANEL_WIDTH + BETWEEN), bottom, PANEL_WIDTH, PANEL_HEIGHT)
        for number, (seed, curves) in enumerate(inputs.losses.items()):
            values = np.asarray(curves.get(term, []), dtype=np.float64)
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(np.arange(1, len(values) + 1), values, linewidth=0.9, color=colour, label=f"seed {seed}")
        axes.set(title=f"loss: {term}", xlabel="epoch")
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        if place == columns - 1 and len(inputs.losses) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.2, fontsize=7)
    return figure


def draw_modulation(inputs: ReportInput) -> Figure:
    """Return the distributions of scale (alpha) and shift (beta) over all spots and dimensions."""
    given = {"alpha (scale)": inputs.alpha, "beta (shift)": inputs.beta}
    drawn = {name: np.ravel(values).astype(np.float64) for name, values in given.items() if values is not None}
    figure = new_figure(len(drawn) * (PANEL_WIDTH + BETWEEN) + LEFT, PANEL_HEIGHT + BOTTOM + TOP)
    for place, (name, values) in enumerate(drawn.items()):
        axes = inch_axes(figure, LEFT + place * (PANEL_WIDTH + BETWEEN), BOTTOM, PANEL_WIDTH, PANEL_HEIGHT)
        share = np.full(len(values), 100 / len(values))
        axes.hist(values, bins=60, weights=share, color=PALETTE[place], linewidth=0)
        axes.axvline(float(np.mean(values)), color="#333333", linewidth=0.8, linestyle="--")
        # + 0.0 turns a rounded -0.00 into 0.00
        mean, sd = round(float(np.mean(values)), 2) + 0.0, float(np.std(values))
        axes.set(title=f"{name}: mean {mean:.2f}, sd {sd:.2f}", xlabel=name.split(" ")[0])
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylabel("% of values" if place == 0 else "")
    return figure
