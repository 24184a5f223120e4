"""Several processes on the CPU train the network that one process trains: one slide or many, cut between spots."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genesem_train.cli import app
from genesem_train.config import load_preset
from genesem_train.errors import ConfigError
from genesem_train.methods import fit_seeds
from genesem_train.slides import load_slides
from genesem_train.spots import select_spots
from genesem_train.training.checkpoints import Checkpoints
from genesem_train.training.parallel import Group, cuda_device, cut_rows, process_group

SCRIPT = Path(__file__).with_name("shared_fits.py")
GROUPS = {2: ["exact", "moments", "stagate", "stagate-two", "improved"], 3: ["exact", "stagate-two"]}
BOTH = [(size, case) for size, cases in GROUPS.items() for case in cases]
COMMAND = """
import atexit, sys
from torch import distributed
atexit.register(lambda: print("still joined" if distributed.is_initialized() else "left the group", file=sys.stderr))
from genesem_train.report.figures import latent
latent.umap_points = lambda values: values[:, :2]  # a UMAP compiles for seconds
from genesem_train.cli import main
main()
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What every process of each group found and held, by the group's size."""
    folder = tmp_path_factory.mktemp("shared")
    groups = [f"{size}:{','.join(cases)}" for size, cases in GROUPS.items()]
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), *groups]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return {size: [np.load(folder / f"{size}-{rank}.npz") for rank in range(size)] for size in GROUPS}


@pytest.fixture(scope="module")
def alone():
    """What one process finds, by case."""
    fit_alone = runpy.run_path(str(SCRIPT))["alone"]
    return {case: fit_alone(case) for case in GROUPS[2]}


@pytest.mark.parametrize(("size", "case"), BOTH)
def test_every_process_ends_with_the_latents_of_one(found, alone, size, case):
    for process in found[size]:
        np.testing.assert_allclose(process[f"{case}/latent"], alone[case]["latent"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "case"), BOTH)
def test_losses_are_those_of_one_process(found, alone, size, case):
    names = [name for name in alone[case] if name.startswith("loss/")]
    assert len(names) >= 2
    for process in found[size]:
        for name in names:
            np.testing.assert_allclose(process[f"{case}/{name}"], alone[case][name], rtol=1e-5)


@pytest.mark.parametrize("case", ["exact", "stagate"])
def test_modulation_is_that_of_all_spots(found, alone, case):
    for name in ("alpha", "beta"):
        np.testing.assert_allclose(found[2][1][f"{case}/{name}"], alone[case][name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("size", "case"), BOTH)
def test_the_network_is_the_same_everywhere_to_the_last_bit(found, size, case):
    first, *others = found[size]
    names = [name for name in first if name.startswith(f"{case}/weights/")]
    assert names
    for process in others:
        for name in names:
            np.testing.assert_array_equal(process[name], first[name])


@pytest.mark.parametrize(("size", "case"), BOTH)
def test_a_process_holds_its_own_rows_alone(found, size, case):
    processes = found[size]
    sizes = [int(process[f"{case}/held/values"][0]) for process in processes]
    assert sum(sizes) == 70
    assert len(set(sizes)) > 1 or case == "improved"  # whose smoothed counts have no zeros to cut by
    semantic_dim = 5 if case == "improved" else 6  # whitened
    for process, own in zip(processes, sizes, strict=True):
        shapes = {
            name: tuple(process[f"{case}/held/{name}"])
            for name in ("values", "semantics", "spatial", "feature")
            if f"{case}/held/{name}" in process
        }
        expected = {"values": (own, 20), "semantics": (own, semantic_dim), "spatial": (own, 70), "feature": (own, 70)}
        assert shapes == {name: expected[name] for name in shapes}
        assert set(process[f"{case}/held/bytes"]) == {4 * int(process[f"{case}/held/entries"][0])}
        assert list(process[f"{case}/decoded"]) == [own]  # spots whose genes are rebuilt, block by block


@pytest.mark.parametrize("size", GROUPS)
def test_what_is_exchanged_has_the_gradients_of_finite_differences(found, size):
    for process in found[size]:
        np.testing.assert_allclose(process["slopes/exact"], process["slopes/differences"], atol=1e-7)


@pytest.mark.parametrize("size", GROUPS)
def test_ctrl_c_in_one_process_stops_all_and_resume_goes_on(found, alone, size):
    for process in found[size]:
        assert process["broken-off/stopped"] == 3
        np.testing.assert_allclose(process["broken-off/latent"], process["exact/latent"], atol=1e-6)
        assert len(process["broken-off/loss/total"]) == 5


def torchrun(n_processes, *arguments):
    """Start processes as a user does."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(n_processes), "--no-python"]
    launch += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    command = [*launch, sys.executable, "-c", COMMAND, *arguments]
    return subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240
    )


def test_torchrun_fits_one_slide_as_one_process_does(slide_file, tmp_path):
    config = load_preset("demo", str(slide_file)).with_values("semantics", kind="none")
    config = config.with_values("model", hidden_dim=16, latent_dim=8).with_values("preprocess", n_hvg=60)
    config = config.with_values("training", epochs=4, seeds=(0,)).with_values("data", label_key="region")
    (tmp_path / "settings.toml").write_text(config.to_toml())
    done = torchrun(2, "fit", "--config", str(tmp_path / "settings.toml"), "--out", str(tmp_path / "two"), "--json")
    assert done.returncode == 0, done.stderr
    assert (done.stderr.count("left the group"), done.stderr.count("still joined")) == (2, 0)
    result = ad.read_h5ad(tmp_path / "two" / "result.h5ad")
    slide = load_slides(config.datasets).joined
    checkpoints = Checkpoints(folder=tmp_path / "one", stamp="s")
    run = fit_seeds(config, slide, select_spots(slide, config), None, lambda *_: None, checkpoints)[0]
    np.testing.assert_allclose(result.obsm["X_genesem"], run.latent, rtol=1e-3, atol=1e-5)
    assert json.loads(done.stdout)["n_spots"] == slide.n_obs  # one process prints
    assert not list(tmp_path.glob(".*checkpoints"))


@pytest.mark.parametrize("size", GROUPS)
def test_who_waits_for_a_leading_process_that_ended_says_so(found, size):
    for rank in range(1, size):
        message = str(found[size][rank]["message"])
        assert message.startswith(f"process {rank} waited for its spots and the leading process ended")


def test_spots_are_cut_where_the_work_is_even():
    assert cut_rows(np.array([1, 1, 1, 1]), 2) == (2, 2)
    assert cut_rows(np.array([9, 1, 1, 1]), 2) == (1, 3)
    assert cut_rows(np.array([1, 1, 1, 9]), 3) == (2, 1, 1)
    assert sum(cut_rows(np.arange(1, 101), 7)) == 100
    with pytest.raises(ConfigError, match="3 processes for 2 spots"):
        cut_rows(np.array([1, 1]), 3)


def test_a_process_by_itself_leads(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert process_group() == Group(rank=0, size=1)
    assert process_group().leads


@pytest.mark.parametrize("command", [["ablate"], ["fit", "--method", "spatial2sentence"]], ids=["ablate", "cells"])
def test_what_takes_one_process_refuses_several(monkeypatch, slide_file, command):
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(app, [*command, "--dataset", str(slide_file)])
    assert done.exit_code == 1
    assert "2 processes were started for" in done.stderr


def test_processes_of_one_machine_take_a_gpu_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    taken = []
    for rank in range(3):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        taken.append(cuda_device())
    assert taken == ["cuda:0", "cuda:1", "cuda:0"]
    monkeypatch.delenv("LOCAL_RANK")
    assert cuda_device() == "cuda:0"
