from dataclasses import replace

import pytest
import torch

from genesem_train.errors import ConfigError
from genesem_train.training.checkpoints import Checkpoint, Checkpoints, load_checkpoint, save_checkpoint


@pytest.fixture
def checkpoint():
    return Checkpoint(
        stamp="a" * 64,
        network={"weight": torch.arange(3.0)},
        optimiser={"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        losses={"total": [2.0, 1.0]},
        readouts={2: torch.ones(3, 2)},
        readout_weights={2: {"weight": torch.arange(3.0) - 1}},
        random_state=torch.get_rng_state(),
        seconds=3.5,
    )


def test_round_trip(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "deep" / "seed-0.pt", checkpoint)
    found = load_checkpoint(tmp_path / "deep" / "seed-0.pt", "a" * 64)
    assert torch.equal(found.network["weight"], checkpoint.network["weight"])
    assert found.losses == checkpoint.losses
    assert torch.equal(found.readout_weights[2]["weight"], checkpoint.readout_weights[2]["weight"])
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["seed-0.pt"]


def test_another_fit_is_refused(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "seed-0.pt", checkpoint)
    with pytest.raises(ConfigError, match="another fit"):
        load_checkpoint(tmp_path / "seed-0.pt", "b" * 64)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"], ids=["empty", "text"])
def test_a_broken_file_is_refused(content, tmp_path):
    (tmp_path / "seed-0.pt").write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as a checkpoint"):
        load_checkpoint(tmp_path / "seed-0.pt", "a" * 64)


def test_a_fit_that_begins_anew_leaves_nothing_of_another_to_go_on_from(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "c" / "seed-3.pt", checkpoint)
    Checkpoints(folder=tmp_path / "c", stamp="b").begin()
    assert not (tmp_path / "c").exists()


def test_whose_checkpoints_they_are_is_asked_before_the_first_epoch(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "seed-0.pt", replace(checkpoint, stamp="b/0"))
    Checkpoints(folder=tmp_path, stamp="b", resume=True).begin()
    save_checkpoint(tmp_path / "seed-7.pt", checkpoint)
    with pytest.raises(ConfigError, match=r"seed-7.pt is of another fit"):
        Checkpoints(folder=tmp_path, stamp="b", resume=True).begin()
