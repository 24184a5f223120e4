"""Quantised weights, places for copies, and several copies side by side."""

import threading

import numpy as np
import pytest
import torch

from genesem_embed.encoders.memory import Budget
from genesem_embed.encoders.parallel import run_everywhere
from genesem_embed.encoders.placement import loaded_bytes, placements
from genesem_embed.encoders.transformer import TransformerEncoder

GB = 10**9


@pytest.mark.parametrize(
    ("n_bytes", "free", "expected"),
    [
        (8 * GB, [], [{"": "cpu"}]),
        (8 * GB, [24 * GB], [{"": 0}]),
        (8 * GB, [24 * GB, 24 * GB], [{"": 0}, {"": 1}]),
        (8 * GB, [2 * GB, 24 * GB], [{"": 1}]),
        (40 * GB, [24 * GB, 24 * GB], ["auto"]),
    ],
    ids=["cpu", "one", "two", "one-is-full", "spread"],
)
def test_places(n_bytes, free, expected):
    assert placements(n_bytes, free) == expected


def test_the_size_follows_the_dtype_and_the_quantisation():
    assert loaded_bytes(8 * GB, "bfloat16", "bfloat16", "none") == 8 * GB
    assert loaded_bytes(8 * GB, "bfloat16", "float32", "none") == 16 * GB
    assert loaded_bytes(8 * GB, "bfloat16", "bfloat16", "nf4") < loaded_bytes(8 * GB, "bfloat16", "bfloat16", "int8")


@pytest.fixture(scope="module")
def wide(tiny_models, tmp_path_factory):
    """Return a model whose activations have outliers, as those of large models have."""
    from transformers import AutoModelForCausalLM

    folder = tiny_models.tiny_qwen3(tmp_path_factory.mktemp("wide") / "wide", hidden=128)
    network = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        network.model.embed_tokens.weight[::7, :3] *= 40
        for layer in network.model.layers:
            layer.input_layernorm.weight[:3] = 40
            layer.post_attention_layernorm.weight[:3] = 40
    network.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_vectors_stay_near(wide, tiny_models, encoder_of, collect, quantization):
    texts = tiny_models.gene_users(4)
    found = collect(encoder_of(wide, quantization=quantization), texts)
    exact = collect(encoder_of(wide), texts)
    assert cosine(found, exact).min() > 0.95
    assert np.abs(found - exact).max() > 1e-5


def test_int8_mixes_the_rows_of_a_batch_and_has_an_exact_setting(wide, tiny_models, encoder_of, collect):
    texts = tiny_models.gene_users(6)

    def moved(threshold):
        encoder = encoder_of(wide, quantization="int8", int8_threshold=threshold)
        together = collect(encoder, texts)
        alone = np.concatenate([collect(encoder, [text]) for text in texts])
        return np.abs(together - alone).max()

    assert moved(6.0) > 1e-3
    assert moved(0.0) < 5e-4  # rounding to int8 may flip where float32 sums differ in their last bits


def test_copies_share_the_work(tiny_qwen3, tiny_models, encoder_of, collect):
    one = encoder_of(tiny_qwen3)
    texts = tiny_models.gene_users(30)
    expected = collect(one, texts)
    runners = [*one._runners, *encoder_of(tiny_qwen3)._runners]
    threads = set()
    for runner in runners:
        usual = runner.run
        runner.run = lambda ids, spans, usual=usual: threads.add(threading.get_ident()) or usual(ids, spans)
    both = TransformerEncoder(one._model, runners, 200)
    np.testing.assert_allclose(collect(both, texts), expected, atol=1e-5)
    assert threads - {threading.get_ident()}
    assert both.exactness["lowest_cosine"] > 0.99999


def test_what_batching_moves_is_measured_while_no_copy_works(tiny_qwen3, tiny_models, encoder_of, collect):
    one = encoder_of(tiny_qwen3)
    runners = [*one._runners, *encoder_of(tiny_qwen3)._runners]
    busy, seen = [], []
    lock = threading.Lock()
    for runner in runners:
        usual = runner.run

        def run(ids, spans, usual=usual):
            with lock:
                busy.append(1)
                if len(ids) == 1 and threading.current_thread() is threading.main_thread():
                    seen.append(len(busy))
            try:
                return usual(ids, spans)
            finally:
                with lock:
                    busy.pop()

        runner.run = run
    collect(TransformerEncoder(one._model, runners, 200), tiny_models.gene_users(30))
    assert seen
    assert set(seen) == {1}


def test_a_copy_that_fails_ends_the_run():
    class Broken:
        causal = False

        def run(self, ids, spans):
            msg = "device lost"
            raise RuntimeError(msg)

    ids = [np.ones(3, np.int32)] * 4
    with pytest.raises(RuntimeError, match="device lost"):
        list(run_everywhere([Broken(), Broken()], ids, np.tile([0, 3], (4, 1)), Budget(3)))


def cosine(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
