"""Tuning a tiny model: the loss falls, the adapter moves vectors, a stopped fit ends where it would have ended."""

import numpy as np
import pandas as pd
import pytest
import torch

from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder
from genesem_embed.errors import EncodingError, InputError, ModelUnavailableError
from genesem_embed.tune import TuneOptions, tune
from genesem_embed.tune.examples import read_examples

OPTIONS = TuneOptions(rank=4, epochs=6, batch_texts=4, learning_rate=2e-2, checkpoint_steps=4)


@pytest.fixture(scope="module")
def folder(tiny_models, tmp_path_factory):
    return tiny_models.tiny_qwen3(tmp_path_factory.mktemp("tune") / "tiny")


@pytest.fixture(scope="module")
def table(tiny_models, tmp_path_factory):
    users = tiny_models.gene_users(12, n_genes=4)
    split = ["train"] * 10 + ["test"] * 2
    path = tmp_path_factory.mktemp("tune") / "cells.parquet"
    answers = ["glia" if "MBP" in user else "neuron" for user in users]
    pd.DataFrame({"model_input": users, "response": answers, "split": split}).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def model(folder):
    return describe_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def fitted(model, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("tune") / "adapter"
    return tune(model, table, out, OPTIONS), out


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_only_the_answer_and_the_end_of_the_turn_are_learned(model, table):
    examples = read_examples(table, model)
    assert len(examples) == 10
    (expected,) = model.tokenizer.tokenise([model.render(None, pd.read_parquet(table)["model_input"][0])]).ids
    first = examples[0]
    np.testing.assert_array_equal(first.ids[: first.n_asked], expected)
    (answer,) = model.tokenizer.tokenise(["neuron<|im_end|>"]).ids
    assert first.ids[first.n_asked :].tolist() in (
        answer.tolist(),
        model.tokenizer.tokenise(["glia<|im_end|>"]).ids[0].tolist(),
    )


def test_the_loss_falls(fitted):
    report, _ = fitted
    assert report.n_texts == 10
    assert report.n_steps == 6 * 3
    assert report.last_loss < 0.95 * report.first_loss


def test_the_adapter_is_another_space_and_moves_vectors(folder, fitted, tiny_models):
    report, out = fitted
    plain, adapted = describe_model(str(folder), device="cpu"), describe_model(str(folder), device="cpu", adapter=out)
    assert adapted.space.adapter_sha256 == report.adapter_sha256 != plain.space.adapter_sha256
    assert adapted.space.id != plain.space.id
    texts = [plain.render(tiny_models.SYSTEM, user) for user in tiny_models.gene_users(3)]
    (before,), (after,) = (list(load_encoder(one).encode(texts)) for one in (plain, adapted))
    assert np.abs(before.vectors - after.vectors).max() > 1e-2


def test_a_stopped_fit_ends_where_it_would_have_ended(model, table, fitted, tmp_path):
    def stop(step, loss):
        if step == 10:
            raise KeyboardInterrupt

    out = tmp_path / "adapter"
    with pytest.raises(KeyboardInterrupt):
        tune(model, table, out, OPTIONS, on_step=stop)
    assert not out.exists()
    seen = []
    options = TuneOptions(**{**vars(OPTIONS), "resume": True})
    report = tune(model, table, out, options, on_step=lambda step, loss: seen.append(step))
    assert seen[0] == 9
    assert report.last_loss == pytest.approx(fitted[0].last_loss, rel=1e-4)
    for name, value in weights(fitted[1]).items():
        np.testing.assert_allclose(weights(out)[name], value, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_seeds_decide_the_adapter(model, table, fitted, tmp_path):
    other = tune(model, table, tmp_path / "other", TuneOptions(**{**vars(OPTIONS), "seed": 1, "epochs": 1}))
    assert other.adapter_sha256 != fitted[0].adapter_sha256


def test_a_quantised_model_can_be_tuned(folder, table, tmp_path):
    model = describe_model(str(folder), device="cpu", quantization="nf4")
    report = tune(model, table, tmp_path / "adapter", TuneOptions(**{**vars(OPTIONS), "epochs": 3}))
    assert report.last_loss < report.first_loss
    found = describe_model(str(folder), device="cpu", quantization="nf4", adapter=tmp_path / "adapter")
    assert torch.isfinite(torch.from_numpy(next(iter(load_encoder(found).encode(["MBP"]))).vectors)).all()


def test_what_cannot_be_tuned_is_told(model, table, fitted, tiny_models, tmp_path):
    with pytest.raises(InputError, match="exists already"):
        tune(model, table, fitted[1], OPTIONS)
    with pytest.raises(InputError, match="expected an existing"):
        tune(model, tmp_path / "none.parquet", tmp_path / "a", OPTIONS)
    pd.DataFrame({"text": ["a"]}).to_csv(tmp_path / "bad.csv")
    with pytest.raises(InputError, match="no column model_input, response"):
        tune(model, tmp_path / "bad.csv", tmp_path / "a", OPTIONS)
    pd.DataFrame({"model_input": ["a"], "response": ["b"], "split": ["test"]}).to_csv(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="no rows to learn from"):
        tune(model, tmp_path / "empty.csv", tmp_path / "a", OPTIONS)
    pd.DataFrame({"model_input": ["a " * 2000], "response": ["b"]}).to_csv(tmp_path / "long.csv")
    with pytest.raises(EncodingError, match="takes 1024"):
        tune(model, tmp_path / "long.csv", tmp_path / "a", OPTIONS)
    bert = tiny_models.tiny_bert(tmp_path / "bert")
    with pytest.raises(InputError, match="no chat template"):
        tune(describe_model(str(bert), device="cpu"), table, tmp_path / "a", OPTIONS)
    with pytest.raises(ModelUnavailableError, match="holds no adapter"):
        describe_model(str(bert), adapter=tmp_path)
