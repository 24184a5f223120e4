"""The marker genes of all domains as dots: how many spots have a gene, and how strongly."""

import numpy as np
from matplotlib.figure import Figure

from genesem_train.report.figures.canvas import inch_axes, new_figure
from genesem_train.report.figures.domains import domain_names
from genesem_train.report.inputs import ReportInput

CELL = 0.2
MOST_COLUMNS = 60


def draw_markers(inputs: ReportInput) -> Figure:
    """Return one dot a domain and marker gene: size is the share of spots with a count, colour the mean of the gene."""
    markers = inputs.markers
    assert markers is not None
    per_domain = max(1, min(5, MOST_COLUMNS // max(1, markers.table["domain"].nunique())))
    leading = dict.fromkeys(markers.table.loc[markers.table["rank"] <= per_domain, "gene"])
    columns = [markers.genes.index(gene) for gene in leading]
    share, mean = markers.share[:, columns], markers.mean[:, columns]
    level = mean / np.maximum(mean.max(axis=0, keepdims=True), 1e-12)
    n_domains, n_genes = share.shape
    names = domain_names(inputs)
    left, bottom = 0.2 + 0.08 * max(map(len, names)), 0.25 + 0.075 * max(map(len, leading))
    figure = new_figure(left + CELL * n_genes + 1.5, bottom + CELL * n_domains + 0.25)
    axes = inch_axes(figure, left, bottom, CELL * n_genes, CELL * n_domains)
    rows, places = np.mgrid[:n_domains, :n_genes]
    dots = axes.scatter(
        places.ravel(),
        rows.ravel(),
        s=4 + 80 * share.ravel(),
        c=level.ravel(),
        cmap="viridis_r",
        vmin=0,
        vmax=1,
        linewidths=0,
    )
    axes.set(xlim=(-0.6, n_genes - 0.4), ylim=(n_domains - 0.4, -0.6))
    axes.set_xticks(range(n_genes), list(leading), rotation=90, fontsize=6.5)
    axes.set_yticks(range(n_domains), names)
    axes.tick_params(length=0)
    tall = min(1.6, max(CELL * n_domains, 1.1), bottom + CELL * n_domains - 0.05)  # its label needs room
    bar = inch_axes(figure, left + CELL * n_genes + 0.2, bottom + CELL * n_domains - tall, 0.12, tall)
    figure.colorbar(dots, cax=bar, label="mean, of the highest")
    return figure
