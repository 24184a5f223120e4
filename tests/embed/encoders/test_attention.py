"""Attention kernels: the flat layout of flash attention, and what is tried on which device."""

import sys
import types

import numpy as np
import pytest
import torch

from genesem_embed.encoders import kernels as kernels_module
from genesem_embed.encoders import runners
from genesem_embed.encoders.kernels import PADDED_GROUPS, Kernel, kernels
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.runners import PackedRunner, PaddedRunner, choose_runner
from genesem_embed.encoders.weights import load_network


def one_run_at_a_time(query, key, value, ends, *, causal, scale):
    """Compute what a flash kernel promises: each run of queries over its run of keys, both ending alike."""
    parts = []
    for (q0, q1), (k0, k1) in zip(
        *(torch.stack([e[:-1], e[1:]], 1).tolist() for e in (ends.queries, ends.keys)), strict=True
    ):
        assert q1 - q0 <= ends.max_queries
        assert k1 - k0 <= ends.max_keys
        n_q, n_k = q1 - q0, k1 - k0
        mask = torch.ones(n_q, n_k, dtype=torch.bool).tril(n_k - n_q) if causal else None
        found = torch.nn.functional.scaled_dot_product_attention(
            *(x.transpose(0, 1)[None] for x in (query[q0:q1], key[k0:k1], value[k0:k1])),
            attn_mask=mask, scale=scale, enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
        parts.append(found[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.fixture
def runner_of(request, monkeypatch):
    """Return a function that gives the runner which is chosen for a model where `tried` are the kernels."""

    def choose(family, tried=None):
        model = describe_model(str(request.getfixturevalue(family)), device="cpu")
        if tried:
            monkeypatch.setattr(runners, "kernels", lambda device, dtype: tried)
        return choose_runner(load_network(model, {"": "cpu"}), model.space), model

    return choose


@pytest.mark.parametrize("family", ["tiny_qwen3", "tiny_bert"])
def test_flat_runs_give_what_padded_ones_give(runner_of, family, tiny_models):
    usual, model = runner_of(family)
    flat, _ = runner_of(family, [Kernel("flat", one_run_at_a_time), PADDED_GROUPS])
    assert (usual.attention, flat.attention) == ("packed, sdpa", "packed, flat")
    tokens = model.tokenizer.tokenise(tiny_models.gene_users(9, n_leads=2))
    ids = sorted(tokens.ids, key=lambda one: one.tolist())
    spans = np.asarray([[0, len(one)] for one in ids])
    expected = [usual.run(ids[:5], spans[:5]), usual.run(ids[5:], spans[5:])]
    found = [flat.run(ids[:5], spans[:5]), flat.run(ids[5:], spans[5:])]
    assert max((one - other).abs().max() for one, other in zip(found, expected, strict=True)) <= 1e-5


def test_a_kernel_that_aligns_runs_otherwise_or_fails_is_not_taken(runner_of):
    def from_the_left(query, key, value, ends, *, causal, scale):
        return one_run_at_a_time(query, key.flip(0), value, ends, causal=causal, scale=scale)

    def broken(query, key, value, ends, *, causal, scale):
        msg = "no kernel image is available"
        raise RuntimeError(msg)

    wrong, failing = Kernel("wrong", from_the_left), Kernel("broken", broken)
    assert runner_of("tiny_qwen3", [wrong, failing, PADDED_GROUPS])[0].attention == "packed, sdpa"
    padded, _ = runner_of("tiny_qwen3", [wrong, failing])
    assert isinstance(padded, PaddedRunner)
    assert padded.attention == "padded, sdpa"


def test_flash_is_tried_first_on_a_gpu_in_half_precision(monkeypatch):
    def names(device, dtype):
        return [kernel.name for kernel in kernels(torch.device(device), dtype)]

    monkeypatch.setitem(sys.modules, "flash_attn", None)
    assert names("cuda", torch.bfloat16) == ["torch varlen_attn", "sdpa"]
    assert names("cpu", torch.bfloat16) == names("cuda", torch.float32) == ["sdpa"]
    monkeypatch.setitem(sys.modules, "flash_attn", types.SimpleNamespace(flash_attn_varlen_func=lambda: None))
    assert names("cuda", torch.float16) == ["flash_attn", "torch varlen_attn", "sdpa"]
    monkeypatch.setattr(kernels_module, "_torch_varlen", lambda: None)
    assert names("cuda", torch.bfloat16) == ["flash_attn", "sdpa"]


def test_flash_kernels_are_called_as_they_expect(monkeypatch):
    """The arguments of flash-attn 2 and of torch, whose signature is checked against the installed one."""
    from inspect import signature

    from torch.nn.attention import varlen

    from genesem_embed.encoders.kernels import Ends

    seen = {}
    flash = types.SimpleNamespace(flash_attn_varlen_func=lambda *args, **more: seen.update(flash=(args, more)))
    monkeypatch.setitem(sys.modules, "flash_attn", flash)
    usual = signature(varlen.varlen_attn)
    monkeypatch.setattr(varlen, "varlen_attn", lambda *args, **more: seen.update(torch=usual.bind(*args, **more)))
    q, k = torch.zeros(5, 4, 8), torch.zeros(9, 2, 8)
    ends = Ends(torch.tensor([0, 5], dtype=torch.int32), torch.tensor([0, 9], dtype=torch.int32), 5, 9)
    for kernel in (kernels_module._flash_attn(), kernels_module._torch_varlen()):
        kernel(q, k, k, ends, causal=True, scale=0.5)
    args, more = seen["flash"]
    assert args[5:] == (5, 9)
    assert more == {"softmax_scale": 0.5, "causal": True}
    bound = seen["torch"].arguments
    assert (bound["window_size"], bound["scale"], bound["enable_gqa"]) == ((-1, 0), 0.5, True)


@pytest.mark.parametrize("budget", [40, 300, 5000])
def test_no_beginning_is_computed_twice_in_a_job(tiny_qwen3, tiny_models, encoder_of, collect, budget):
    encoder = encoder_of(tiny_qwen3, batch_tokens=budget)
    users = [*tiny_models.gene_users(20, n_leads=2), *tiny_models.gene_users(20, seed=5)]
    texts = [encoder._model.render(tiny_models.SYSTEM, user) for user in users]
    computed = []
    embed = encoder._runners[0]._network.embed_tokens
    encoder._exactness = {"lowest_cosine": 1.0}  # measured already: nothing is run again alone
    embed.register_forward_hook(lambda module, inputs, output: computed.append(inputs[0].numel()))
    collect(encoder, texts)
    beginnings = {
        tuple(ids[:n]) for ids in encoder._model.tokenizer.tokenise(texts).ids for n in range(1, len(ids) + 1)
    }
    assert sum(computed) == len(beginnings)
    assert isinstance(encoder._runners[0], PackedRunner)
