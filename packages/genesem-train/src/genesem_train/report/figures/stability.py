"""The curve by which the number of domains was chosen."""

import numpy as np
from matplotlib.figure import Figure

from genesem_train.report.figures.canvas import inch_axes, new_figure
from genesem_train.report.inputs import ReportInput
from genesem_train.report.palette import PALETTE


def draw_stability(inputs: ReportInput) -> Figure:
    """Return the stability of every number of domains tried, mean and sd over pairs of runs, the chosen one marked."""
    curve = inputs.metrics["n_domains_chosen"]
    numbers, mean, sd = (np.asarray(curve[name], dtype=np.float64) for name in ("n_domains", "mean", "sd"))
    figure = new_figure(5.2, 2.6)
    axes = inch_axes(figure, 0.7, 0.5, 4.2, 1.75)
    axes.fill_between(numbers, mean - sd, mean + sd, color=PALETTE[0], alpha=0.15, linewidth=0)
    axes.plot(numbers, mean, marker="o", markersize=3.5, linewidth=1.1, color=PALETTE[0])
    axes.axvline(curve["best"], color="#333333", linewidth=0.8, linestyle="--")
    axes.set(xlabel="domains", ylabel="stability", title=f"{curve['best']} domains chosen")
    axes.set_xticks(numbers)
    return figure
