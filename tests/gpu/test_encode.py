"""The encoder on a CUDA device: dtype, bounds, memory, quantisation, and throughput in the shape of Qwen3-4B."""

import time

import numpy as np
import pytest
import torch

from genesem_embed.encoders.kernels import PADDED_GROUPS, Kernel, kernels
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.runners import PackedRunner, choose_runner
from genesem_embed.encoders.transformer import TransformerEncoder, load_encoder
from genesem_embed.encoders.weights import load_network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
GOAL = 0.6
"""Share of the card's measured matrix-product rate that the model's own products should reach."""


@pytest.fixture(scope="module")
def folder(tiny_models, tmp_path_factory):
    return tiny_models.tiny_qwen3(tmp_path_factory.mktemp("gpu") / "small", hidden=512, layers=4, heads=8, kv_heads=4)


@pytest.fixture(scope="module")
def texts(tiny_models, folder):
    model = describe_model(str(folder))
    return [model.render(tiny_models.SYSTEM, user) for user in tiny_models.gene_users(200)]


def collect(encoder, texts):
    found = np.empty((len(texts), encoder.space.dim), np.float32)
    for batch in encoder.encode(texts):
        found[batch.rows] = batch.vectors
    return found


def cosine(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def test_the_device_is_found_and_runs_bfloat16(folder):
    model = describe_model(str(folder))
    assert (model.device, model.space.compute_dtype) == ("cuda", "bfloat16")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_vectors_do_not_follow_the_batch(folder, texts, dtype):
    encoder = load_encoder(describe_model(str(folder), compute_dtype=dtype))
    together = collect(encoder, texts)
    alone = np.concatenate([collect(encoder, [text]) for text in texts[:20]])
    print(f"{dtype}: lowest cosine {cosine(together[:20], alone).min():.7f}")
    assert cosine(together[:20], alone).min() > (0.999999 if dtype == "float32" else 0.999)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_every_attention_kernel_of_this_machine_gives_the_same(folder, texts, dtype):
    """Those that are here are compared with padded groups; the encoder takes the first of them and says so."""
    encoder = load_encoder(describe_model(str(folder), compute_dtype=dtype))
    found = list(kernels(torch.device("cuda"), getattr(torch, dtype)))
    assert encoder.facts["attention"] == f"packed, {found[0].name}"
    assert found[0] != PADDED_GROUPS, "torch 2.10 and later bring a flash kernel of their own"
    (usual,) = encoder._runners
    expected = collect(with_kernel(encoder, usual, PADDED_GROUPS), texts)
    for kernel in found[:-1]:
        lowest = cosine(collect(with_kernel(encoder, usual, kernel), texts), expected).min()
        print(f"{dtype}, {kernel.name}: lowest cosine to padded groups {lowest:.7f}")
        assert lowest > 0.999


def with_kernel(encoder, runner, kernel: Kernel):
    """Let `encoder` attend by `kernel`."""
    encoder._runners = [PackedRunner(runner._network, runner.space, causal=True, kernel=kernel)]
    return encoder


def test_a_model_spread_over_devices_gives_the_same(folder, texts):
    """As `device_map` spreads a model that no GPU holds: here half of its layers wait in main memory."""
    model = describe_model(str(folder))
    expected = collect(load_encoder(model), texts)
    place = {
        "embed_tokens": 0,
        "rotary_emb": 0,
        "norm": 0,
        "layers.0": 0,
        "layers.1": "cpu",
        "layers.2": "cpu",
        "layers.3": 0,
    }
    runner = choose_runner(load_network(model, place), model.space)
    assert isinstance(runner, PackedRunner)
    assert cosine(collect(TransformerEncoder(model, [runner], 4096), texts), expected).min() > 0.999


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_vectors_stay_near(folder, texts, quantization):
    exact = collect(load_encoder(describe_model(str(folder))), texts)
    found = collect(load_encoder(describe_model(str(folder), quantization=quantization)), texts)
    assert cosine(found, exact).min() > 0.9


def test_running_out_of_memory_halves_the_budget(folder, texts):
    encoder = load_encoder(describe_model(str(folder)), batch_tokens=10**6)
    expected = collect(encoder, texts)
    total = torch.cuda.get_device_properties(0).total_memory
    used = torch.cuda.memory_allocated()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((used + 60 * 2**20) / total)
    try:
        found = collect(encoder, texts)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder.batch_tokens < 10**6
    assert load_encoder(describe_model(str(folder))).batch_tokens == encoder.batch_tokens  # kept for later runs
    assert cosine(found, expected).min() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["none", "int8", "nf4"])
def test_throughput_in_the_shape_of_qwen3_4b(tiny_models, tmp_path, quantization):
    shape = {"hidden": 2560, "layers": 36, "heads": 32, "kv_heads": 8, "head_dim": 128, "intermediate": 9728}
    folder = tiny_models.tiny_qwen3(tmp_path / "4b", vocab=2000, dtype="bfloat16", **shape)
    model = describe_model(str(folder), quantization=quantization)
    encoder = load_encoder(model)
    texts = [model.render(tiny_models.SYSTEM, user) for user in tiny_models.gene_users(2000)]
    collect(encoder, texts[:200])
    torch.cuda.reset_peak_memory_stats()
    computed = []
    encoder._runners[0].forget()
    network = encoder._runners[0]._network
    network.embed_tokens.register_forward_hook(lambda module, inputs, output: computed.append(inputs[0].numel()))
    begun = time.perf_counter()
    collect(encoder, texts)
    seconds = time.perf_counter() - begun
    n_tokens = int(model.count_tokens(texts).sum())
    n_computed = sum(computed)
    n_weights = sum(weight.numel() for name, weight in network.named_parameters() if "embed_tokens" not in name)
    share = 2 * n_weights * n_computed / seconds / _ceiling()
    peak = torch.cuda.max_memory_allocated() / 1e9
    print(
        f"{torch.cuda.get_device_name()}, {quantization}, attention {encoder.facts['attention']}: "
        f"{len(texts) / seconds:.1f} texts/s, {n_tokens / seconds:,.0f} tokens/s, "
        f"{share:.0%} of the measured ceiling, {n_computed / n_tokens:.0%} of the tokens computed, peak {peak:.1f} GB"
    )
    if quantization == "none":
        assert share >= GOAL


def _ceiling():
    """Return the rate, in operations per second, of one large bfloat16 matrix product."""
    one, other = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        one @ other
    torch.cuda.synchronize()
    begun = time.perf_counter()
    for _ in range(20):
        one @ other
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - begun)
