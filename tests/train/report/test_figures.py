import dataclasses

import numpy as np
import pytest
from matplotlib.colors import to_hex

from genesem_train.report import write_figures
from genesem_train.report.figures import FIGURES
from genesem_train.report.figures.canvas import plain_style
from genesem_train.report.figures.domains import draw_domains
from genesem_train.report.figures.latent import draw_latent, umap_points
from genesem_train.report.figures.seeds import draw_seed_domains
from genesem_train.report.figures.slide_map import map_size, spot_spacing
from genesem_train.report.palette import PALETTE


def boxes(figure):
    renderer = figure.canvas.get_renderer()
    return [axes.get_window_extent(renderer) for axes in figure.axes], figure.legends[0].get_window_extent(renderer)


def panel_colours(axes):
    dots = axes.collections[0]
    places = np.round(np.asarray(dots.get_offsets()), 3)
    shades = dots.get_facecolors()
    return {tuple(place): to_hex(shade) for place, shade in zip(places, shades, strict=True)}


@pytest.mark.parametrize("draw", [draw_domains, draw_seed_domains, draw_latent], ids=["domains", "seeds", "latent"])
@pytest.mark.parametrize(("n_spots", "n_domains"), [(300, 5), (1500, 7), (1500, 52)])
def test_the_legend_covers_no_spot_and_fits_the_page(report_inputs, monkeypatch, draw, n_spots, n_domains):
    monkeypatch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
    with plain_style():
        figure = draw(report_inputs(n_spots, n_domains))
        panels, legend = boxes(figure)
    assert not any(panel.overlaps(legend) for panel in panels)
    assert legend.x0 >= 0
    assert legend.y0 >= 0
    assert legend.x1 <= figure.bbox.x1


def test_one_domain_has_one_colour_in_every_panel(report_inputs):
    inputs = report_inputs(1500)
    same = dataclasses.replace(inputs, baselines={"renamed": (inputs.domains + 3) % 7})
    with plain_style():
        annotation, consensus, renamed = (panel_colours(axes) for axes in draw_domains(same).axes)
        first_seed = panel_colours(draw_seed_domains(inputs).axes[0])
    assert consensus == renamed
    assert np.mean([annotation[place] == consensus[place] for place in annotation]) > 0.9
    assert np.mean([first_seed[place] == consensus[place] for place in consensus]) > 0.85
    assert set(consensus.values()) == set(PALETTE[:7])


def test_maps_have_y_down_and_equal_scales(report_inputs):
    with plain_style():
        axes = draw_domains(report_inputs(300)).axes[0]
    low, high = axes.get_ylim()
    assert low > high
    assert axes.get_aspect() == 1


@pytest.mark.parametrize("scale", [1.0, 250.0])
def test_spacing_of_a_lattice_is_its_constant(scale):
    row, column = np.divmod(np.arange(900), 30)
    square = np.stack([column, row], axis=1) * scale
    hexagonal = np.stack([column + 0.5 * (row % 2), row * 0.8660254], axis=1) * scale
    assert spot_spacing(square) == pytest.approx(scale)
    assert spot_spacing(hexagonal) == pytest.approx(scale, rel=1e-5)


def test_scattered_cells_are_drawn_smaller_than_a_lattice_as_dense():
    scattered = np.random.default_rng(0).random((4000, 2)) * np.sqrt(4000)
    assert 0.65 < spot_spacing(scattered) < 0.85
    assert spot_spacing(np.repeat(scattered, 2, axis=0)) > 0  # every cell there twice


def test_spots_of_a_lattice_touch_but_do_not_overlap():
    row, column = np.divmod(np.arange(900), 30)
    coords = np.stack([column, row], axis=1) * 10.0
    size = map_size(coords, 1)
    assert size.spot == pytest.approx(10 * 72 * size.width / size.extent[0])


@pytest.mark.parametrize("coords", [np.zeros((6, 2)), np.array([[0.0, 0.0], [1.0, 0.0]])], ids=["one-place", "a-line"])
def test_degenerate_slides_still_have_a_size(coords):
    size = map_size(coords, 1)
    assert np.isfinite([size.width, size.height, size.spot]).all()
    assert size.height > 0


def test_only_what_the_fit_has_is_drawn(report_inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
    whole = write_figures(report_inputs(300), tmp_path / "whole")
    assert [path.stem for path in whole] == list(FIGURES)
    bare = report_inputs(300, n_seeds=1, labelled=False, semantics=False)
    assert [path.stem for path in write_figures(bare, tmp_path / "bare")] == ["domains", "latent", "losses"]


def test_umap_is_the_same_on_every_run(report_inputs):
    latent = report_inputs(120).latent
    assert np.array_equal(umap_points(latent), umap_points(latent))
