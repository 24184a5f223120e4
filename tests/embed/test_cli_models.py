"""`models`, `tune` and the engines of `build` on the command line."""

import json
import re
import signal

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from genesem_embed.cli.app import app
from genesem_embed.encoders.runners import PackedRunner
from genesem_embed.errors import InputError


@pytest.fixture
def call():
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_models_lists_the_bundled_one(call, minilm):
    found = json.loads(call("models", "--json").stdout)["models"]
    assert "sentence-transformers/all-MiniLM-L6-v2" in [entry["name"] for entry in found]
    assert "licence apache-2.0" in call("models").stdout


def test_tune_writes_an_adapter_that_build_takes(call, tiny_models, tmp_path):
    model = tiny_models.tiny_qwen3(tmp_path / "tiny")
    table = tmp_path / "cells.csv"
    pd.DataFrame({"model_input": ["MBP", "GFAP"], "response": ["a", "b"]}).to_csv(table)
    out = tmp_path / "adapter"
    done = call("tune", "--model", model, "--texts", table, "--out", out, "--rank", 2, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "2 texts, 1 steps" in done.stdout
    options = (
        "--model",
        model,
        "--adapter",
        out,
        "--pooling",
        "last",
        "--limit",
        2,
        "--device",
        "cpu",
        "--top-genes",
        3,
    )
    built = call("build", "--dataset", "demo", "--store", tmp_path / "s", *options, "--json")
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout)["n_encoded"] == 2


def test_a_server_needs_an_address(call, tmp_path):
    done = call("build", "--dataset", "demo", "--store", tmp_path / "s", "--engine", "openai")
    assert done.exit_code == 1
    assert isinstance(done.exception, InputError) or "--endpoint" in done.output


def test_a_build_tells_how_it_computed_and_every_text_that_failed(call, tiny_models, tmp_path):
    model = tiny_models.tiny_qwen3(tmp_path / "tiny")
    options = ("--model", model, "--device", "cpu", "--top-genes", 3, "--store", tmp_path / "s", "--dataset", "demo")
    built = call("build", *options, "--limit", 3)
    assert built.exit_code == 0, built.output
    assert "encoded on cpu (1 threads), attention packed, sdpa, products by " in built.stdout
    assert "2048 tokens a batch" in built.stdout
    failed = call("build", *options, "--limit", 6, "--max-tokens", 60)
    assert failed.exit_code == 1
    told = [line for line in failed.stderr.splitlines() if line.startswith("failed: spot ")]
    assert len(told) == 6
    assert "more than the 60 of this space" in told[-1]
    assert "error: 6 texts could not be encoded" in failed.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_build_publishes_what_is_finished_and_says_how_to_go_on(
    call, tiny_models, tmp_path, monkeypatch, number
):
    model = tiny_models.tiny_qwen3(tmp_path / "tiny")
    options = ("--model", model, "--device", "cpu", "--top-genes", 3, "--store", tmp_path / "s", "--dataset", "demo")
    options = (*options, "--batch-tokens", 200, "--limit", 40)
    usual, done = PackedRunner.run, []

    def interrupted(runner, ids, spans):
        done.append(len(ids))
        if len(done) == 12:
            signal.raise_signal(number)
        return usual(runner, ids, spans)

    with monkeypatch.context() as patched:
        patched.setattr(PackedRunner, "run", interrupted)
        stopped = call("build", *options)
    assert stopped.exit_code == 1
    told = re.search(
        r"error: interrupted after (\d+) of 40 texts; every finished vector is in the store: ", stopped.stderr
    )
    assert told, stopped.stderr
    assert "run the same command again to go on" in stopped.stderr
    again = json.loads(call("build", *options, "--json").stdout)
    assert again["n_stored"] == int(told[1]) > 0


def test_a_build_short_of_memory_says_so_and_the_next_one_begins_smaller(call, tiny_models, tmp_path, monkeypatch):
    model = tiny_models.tiny_qwen3(tmp_path / "tiny")
    options = ("--model", model, "--device", "cpu", "--top-genes", 3, "--store", tmp_path / "s", "--dataset", "demo")
    usual = PackedRunner.run

    def short_of_memory(runner, ids, spans):
        if len(ids) > 4:
            msg = "CUDA out of memory"
            raise torch.OutOfMemoryError(msg)
        return usual(runner, ids, spans)

    with monkeypatch.context() as patched:
        patched.setattr(PackedRunner, "run", short_of_memory)
        first = call("build", *options, "--limit", 40)
    assert first.exit_code == 0, first.output
    kept = re.search(r"note: memory ran out; later runs begin with (\d+) tokens a batch", first.stdout)
    assert kept
    assert f", {kept[1]} tokens a batch" in call("build", *options, "--limit", 5).stdout
    assert ", 900 tokens a batch" in call("build", *options, "--limit", 5, "--batch-tokens", 900).stdout
