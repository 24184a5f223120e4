"""How far the seeds agree: their maps in matched colours, their pairwise ARI, and the confidence of each spot."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import adjusted_rand_score

from genesem_train.report.figures.canvas import inch_axes, new_figure
from genesem_train.report.figures.domains import consensus_codes
from genesem_train.report.figures.slide_map import domain_maps, draw_map, map_size
from genesem_train.report.inputs import ReportInput
from genesem_train.report.palette import code_names, match_codes

MAX_MAPS = 12


def draw_seed_domains(inputs: ReportInput) -> Figure:
    """Return one map a seed (the first twelve), each matched to the consensus."""
    consensus, names = consensus_codes(inputs)
    n_codes = int(consensus.max()) + 1
    panels = {
        f"seed {seed}": match_codes(consensus, domains, max(n_codes, len(names)))
        for seed, domains in list(inputs.seed_domains.items())[:MAX_MAPS]
    }
    return domain_maps(inputs.coords, panels, code_names(names, [consensus, *panels.values()]))


def draw_seed_agreement(inputs: ReportInput) -> Figure:
    """Return the ARI of every seed with every other and with the consensus, 0 to 100."""
    labelings = {"consensus": inputs.domains, **{f"seed {seed}": d for seed, d in inputs.seed_domains.items()}}
    names, values = list(labelings), list(labelings.values())
    scores = np.array([[100 * adjusted_rand_score(a, b) for b in values] for a in values])
    side = 0.5 * len(names)
    figure = new_figure(side + 2.1, side + 1.2)
    axes = inch_axes(figure, 0.95, 0.85, side, side)
    image = axes.imshow(scores, vmin=0, vmax=100, cmap="cividis")
    for row, column in np.ndindex(*scores.shape):
        shade = "white" if scores[row, column] < 55 else "black"
        axes.text(column, row, f"{scores[row, column]:.0f}", ha="center", va="center", color=shade)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    figure.colorbar(image, cax=inch_axes(figure, side + 1.1, 0.85, 0.14, side), label="ARI x 100")
    return figure


def draw_confidence(inputs: ReportInput) -> Figure:
    """Return the map of the share of seeds that agree with the consensus."""
    if inputs.confidence is None:
        msg = "a map of confidence was asked for without any"
        raise AssertionError(msg)
    size = map_size(inputs.coords, 1)
    figure = new_figure(size.width + 1.1, size.height + 0.4)
    axes = inch_axes(figure, 0.12, 0.12, size.width, size.height)
    least_first = np.argsort(-inputs.confidence, kind="stable")
    draw_map(axes, inputs.coords[least_first], inputs.confidence[least_first], size, cmap="cividis")
    bar = inch_axes(figure, size.width + 0.3, 0.12 + size.height * 0.1, 0.14, size.height * 0.8)
    figure.colorbar(axes.collections[0], cax=bar, label="share of seeds that agree")
    return figure
