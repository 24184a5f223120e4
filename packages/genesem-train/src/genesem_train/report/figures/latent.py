"""The latent in two dimensions, coloured by domain and by annotation."""

import warnings

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from genesem_train.report.figures.canvas import inch_axes, legend_below, legend_shape, new_figure
from genesem_train.report.figures.domains import consensus_codes, method_title, reference_codes
from genesem_train.report.inputs import ReportInput
from genesem_train.report.palette import MISSING, code_names, colours

MAX_SPOTS = 10_000
PANEL = 3.6


def umap_points(latent: Float[np.ndarray, "point dim"], seed: int = 0) -> Float[np.ndarray, "point 2"]:
    """Return the UMAP of the points, the same on every run (McInnes et al. 2018)."""
    with warnings.catch_warnings():
        # one thread is the price of a fixed seed, and too few points for the spectral start are no fault either
        warnings.simplefilter("ignore")
        from umap import UMAP  # compiles for seconds, and warns that it has no Tensorflow

        reducer = UMAP(n_neighbors=max(2, min(15, len(latent) - 1)), init="pca", random_state=seed, n_jobs=1)
        return np.asarray(reducer.fit_transform(latent), dtype=np.float64)


def draw_latent(inputs: ReportInput) -> Figure:
    """Return the UMAP of at most 10,000 spots, drawn once a colouring."""
    sample = np.sort(np.random.default_rng(0).permutation(len(inputs.latent))[:MAX_SPOTS])
    points = umap_points(inputs.latent[sample])
    domains, names = consensus_codes(inputs)
    panels = {method_title(inputs): domains[sample]}
    if inputs.annotation is not None:
        panels["annotation"] = reference_codes(inputs)[0][sample]
    named = code_names(names, list(panels.values()))
    width = len(panels) * (PANEL + 0.25) + 0.25
    columns, legend_height = legend_shape(named, width - 0.5)
    figure = new_figure(width, PANEL + legend_height + 0.6)
    # points are about as large as ten thousand of them can bear
    area = float(np.clip(9000 / len(sample), 2.5, 14))
    for place, (title, codes) in enumerate(panels.items()):
        axes = inch_axes(figure, 0.25 + place * (PANEL + 0.25), legend_height + 0.28, PANEL, PANEL)
        order = np.argsort(codes != MISSING, kind="stable")
        axes.scatter(points[order, 0], points[order, 1], c=colours(codes[order]), s=area, linewidths=0, rasterized=True)
        axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2" if place == 0 else "", title=title)
    legend_below(figure, named, columns, left=0.25, top=legend_height)
    return figure
