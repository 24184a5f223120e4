import anndata as ad
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from genesem_train.cli import app
from genesem_train.cli.console import domain_counts
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.n_domains import _peaks, choose_n_domains
from genesem_train.slides import load_slides
from genesem_train.spots import select_spots


@pytest.mark.parametrize("n_blobs", [3, 6])
def test_the_number_of_blobs_is_found(n_blobs):
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(n_blobs)
    curve = choose_n_domains(centres[rng.integers(0, n_blobs, 400)] + rng.normal(size=(400, n_blobs)), range(2, 10))
    assert curve.best == curve.peaks[0] == n_blobs
    assert len(curve.n_domains) == len(curve.mean) == len(curve.sd) == 8


def layered_slide(n_layers, seed=0):
    """Return a slide of bands, each with its own twenty genes on top of shared ones."""
    rng = np.random.default_rng(seed)
    coords = np.stack(np.meshgrid(np.arange(24), np.arange(24)), axis=-1).reshape(-1, 2).astype(float)
    layer = (coords[:, 1] * n_layers // 24).astype(int)
    rates = np.full((len(coords), 20 * n_layers + 40), 0.5)
    for number in range(n_layers):
        rates[np.ix_(layer == number, range(20 * number, 20 * number + 20))] = 4.0
    slide = ad.AnnData(rng.poisson(rates).astype(np.float32))
    slide.obs_names, slide.var_names = (
        [f"{kind}{i}" for i in range(n)] for kind, n in zip("sg", slide.shape, strict=True)
    )
    slide.obsm["spatial"] = coords
    return slide


@pytest.mark.parametrize("n_layers", [5])
def test_the_layers_of_a_slide_are_counted_without_labels(n_layers, tmp_path):
    layered_slide(n_layers).write_h5ad(tmp_path / "layers.h5ad")
    config = load_preset("default", str(tmp_path / "layers.h5ad"))
    slide = load_slides(config.datasets).joined
    spots = select_spots(slide, config)
    assert spots.n_domains == spots.stability.best == n_layers
    assert spots.stability.n_domains == list(range(3, 16))
    assert select_spots(slide, config.with_values("data", n_domains=5)).stability is None


def test_labels_have_no_say_in_the_choice(tmp_path):
    slide = layered_slide(4)
    slide.obs["region"] = ["left" if x < 12 else "right" for x in slide.obsm["spatial"][:, 0]]
    slide.write_h5ad(tmp_path / "layers.h5ad")
    config = load_preset("default", str(tmp_path / "layers.h5ad")).with_values("data", label_key="region")
    loaded = load_slides(config.datasets).joined
    assert select_spots(loaded, config).n_domains == 2
    chosen = select_spots(loaded, config.with_values("data", candidates=(3, 4, 5, 6)))
    assert chosen.n_domains == 4
    assert chosen.stability.n_domains == [3, 4, 5, 6]


def test_the_curve_repeats():
    values = np.random.default_rng(0).normal(size=(100, 3))
    assert choose_n_domains(values, range(2, 6)) == choose_n_domains(values, range(2, 6))


def test_numbers_beyond_the_spots_are_not_tried():
    values = np.random.default_rng(0).normal(size=(10, 2))
    assert choose_n_domains(values, range(2, 30)).n_domains == [2, 3, 4, 5, 6]
    with pytest.raises(ConfigError, match="too few to try 9 domains"):
        choose_n_domains(values, range(9, 12))


@pytest.mark.parametrize(
    ("means", "expected"), [([0.9, 0.5, 0.8, 0.6, 0.7, 0.1], [4, 6]), ([0.9, 0.8, 0.7], []), ([0.1, 0.2], [])]
)
def test_peaks_come_highest_first(means, expected):
    assert _peaks(range(2, 2 + len(means)), means) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, (None, None)), ("7", (7, None)), ("4:6", (None, (4, 5, 6))), ("auto", (None, tuple(range(3, 16))))],
)
def test_a_number_a_range_or_auto(text, expected):
    assert domain_counts(text) == expected


def test_the_command_line_stands_above_both_settings():
    config = load_preset("default", "x.h5ad").with_values("data", n_domains=7)
    chosen = config.with_domain_counts(*domain_counts("auto"))
    assert (chosen.data.n_domains, chosen.data.candidates) == (None, tuple(range(3, 16)))
    back = chosen.with_domain_counts(*domain_counts("5"))
    assert (back.data.n_domains, back.data.candidates) == (5, None)
    assert back.with_domain_counts(*domain_counts(None)) is back


@pytest.mark.parametrize("text", ["1", "x", "6:4", ":5", "3:"])
def test_other_words_are_wrong_usage(text):
    with pytest.raises(typer.BadParameter, match="such as 4:12"):
        domain_counts(text)


def test_the_choice_is_told_and_drawn(tmp_path, plain_latent_figure):
    layered_slide(4).write_h5ad(tmp_path / "layers.h5ad")
    arguments = ["--dataset", str(tmp_path / "layers.h5ad"), "--method", "pca", "--seeds", "0", "--n-domains", "3:6"]
    done = CliRunner().invoke(app, ["fit", *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "chosen by stability; peaks of its curve: 4" in done.stdout
    assert (tmp_path / "out" / "figures" / "stability.png").exists()
