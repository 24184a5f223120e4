"""Two processes on the CPU train the network that one process trains on all slides."""

import os
import socket
import subprocess
import sys

import anndata as ad
import numpy as np
import pytest

from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.methods import fit_seeds
from genesem_train.parallel import Group, process_group, share_slides
from genesem_train.run import run_fit

COMMAND = (
    "from genesem_train.report.figures import latent; latent.umap_points = lambda values: values[:, :2]; "
    "from genesem_train.cli import main; main()"
)
"""A UMAP compiles for seconds."""


@pytest.fixture(scope="module")
def two_files(demo_slide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel")
    demo_slide[::10].copy().write_h5ad(folder / "a.h5ad")
    demo_slide[1::7].copy().write_h5ad(folder / "b.h5ad")
    return folder / "a.h5ad", folder / "b.h5ad"


def config(files):
    settings = load_preset("stagate", str(files[0])).with_values(more_datasets=(str(files[1]),))
    settings = settings.with_values("model", hidden_dim=16, latent_dim=8).with_values("semantics", kind="none")
    settings = settings.with_values("training", epochs=4, seeds=(0,)).with_values("preprocess", n_hvg=60)
    return settings.with_values("data", label_key="region")


@pytest.mark.usefixtures("plain_latent_figure")
def test_two_processes_find_what_one_finds(two_files, tmp_path):
    alone = run_fit(config(two_files), out=tmp_path / "alone")
    (tmp_path / "settings.toml").write_text(config(two_files).to_toml())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [sys.executable, "-c", COMMAND, "fit", "--config", str(tmp_path / "settings.toml")]
    processes = [
        subprocess.Popen(
            [*arguments, "--out", str(tmp_path / "shared")],
            env=os.environ
            | {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    told = [process.communicate(timeout=240) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert "consensus on b" in told[0][0]
    assert told[1][0] == ""
    one, two = (ad.read_h5ad(tmp_path / name / "result.h5ad") for name in ("alone", "shared"))
    np.testing.assert_allclose(one.obsm["X_genesem"], two.obsm["X_genesem"], rtol=1e-3, atol=1e-4)
    assert set(one.obs["slide"]) == {"a", "b"}
    assert alone.metrics["n_spots"] == two.n_obs


def test_slides_are_shared_out_by_their_spots():
    assert share_slides([10, 50, 30, 25], 2) == [[0, 1], [2, 3]]
    assert share_slides([10, 50], 2) == [[1], [0]]
    with pytest.raises(ConfigError, match="2 processes for 1 slides"):
        share_slides([10], 2)


def test_a_process_by_itself_leads(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert process_group() == Group(rank=0, size=1)
    assert process_group().leads


@pytest.mark.parametrize(("mode", "words"), [("faithful", "2 processes for one slide"), ("improved", "mode improved")])
def test_what_cannot_be_shared_out_is_refused(monkeypatch, slide_file, mode, words):
    from genesem_train.slides import load_slides
    from genesem_train.spots import select_spots

    monkeypatch.setattr("genesem_train.methods.process_group", lambda: Group(rank=0, size=2))
    settings = load_preset("stagate", str(slide_file)).with_values(mode=mode).with_values("semantics", kind="none")
    settings = settings.with_values("data", n_domains=4)
    slide = load_slides(settings.datasets).joined
    spots = select_spots(slide, settings)
    with pytest.raises(ConfigError, match=words):
        fit_seeds(settings, slide, spots, None, lambda *_: None, None)
