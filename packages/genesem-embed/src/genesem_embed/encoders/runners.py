"""One batch through the network: packed where the model allows it, else padded, which is also the reference."""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from genesem_embed.encoders.attention import PACKED, AttentionPlan, packed_attention, planned
from genesem_embed.encoders.kernels import PADDED_GROUPS, Kernel, kernels
from genesem_embed.encoders.packing import Ids, pack
from genesem_embed.encoders.pooling import pool
from genesem_embed.encoders.trail import Trail
from genesem_embed.store.space import Space

_AGREE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2}
_AGREE_QUANTIZED = 5e-2  # int8 lets the texts of a batch move each other


class Runner(Protocol):
    """Gives the vectors of a batch of token ids."""

    causal: bool
    """Whether texts that begin alike share work, so that `tree_batches` should bring them together."""
    attention: str
    """How attention is computed, for provenance."""

    def run(self, ids: Sequence[Ids], spans: npt.NDArray[np.int64]) -> Float[Tensor, "text dim"]:
        """Return the pooled float32 vectors, on the network's device."""
        ...

    def forget(self) -> None:
        """Let the next batch be computed from nothing."""
        ...


class PaddedRunner:
    """Every text in a row of its own, padded to the longest; works for any model."""

    causal = False
    attention = "padded"

    def __init__(self, network: Any, space: Space) -> None:  # noqa: ANN401 - transformers' models have no common type
        self._network = network
        self._space = space

    @torch.inference_mode()
    def run(self, ids: Sequence[Ids], spans: npt.NDArray[np.int64]) -> Float[Tensor, "text dim"]:
        """Return the vectors of one batch."""
        padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.int64)
        real = torch.zeros_like(padded)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = torch.from_numpy(one)
            real[row, : len(one)] = 1
        place = self._network.device
        inputs = {"input_ids": padded.to(place), "attention_mask": real.to(place)}
        hidden = _hidden(self._network, self._space, inputs)
        paths = np.arange(padded.numel()).reshape(padded.shape)
        return pool(hidden.flatten(0, 1), paths, spans, self._space.pooling)

    def forget(self) -> None:
        """Nothing is kept."""


class PackedRunner:
    """All texts in one row without padding; in a causal model, equal beginnings are computed once.

    The last text of a batch is remembered: what the next batch begins with alike is not computed again.
    """

    def __init__(self, network: Any, space: Space, *, causal: bool, kernel: Kernel = PADDED_GROUPS) -> None:  # noqa: ANN401 - as above
        self._network = network
        self.space = space
        self._kernel = kernel
        self._trail: Trail | None = None
        self.causal = causal
        self.attention = f"packed, {kernel.name}"

    @torch.inference_mode()
    def run(self, ids: Sequence[Ids], spans: npt.NDArray[np.int64]) -> Float[Tensor, "text dim"]:
        """Return the vectors of one batch; for a causal model `ids` come in the order of `tree_batches`."""
        trail = self._trail
        packed = pack(ids, causal=self.causal, n_known=trail.n_known(ids[0]) if trail else 0)
        place = self._network.device
        inputs = {
            "input_ids": torch.from_numpy(packed.ids)[None].to(place),
            "position_ids": torch.from_numpy(packed.positions)[None].to(place),
        }
        plan = AttentionPlan(packed, place, causal=self.causal, kernel=self._kernel, trail=trail, keep=self.causal)
        with planned(plan):
            hidden = _hidden(self._network, self.space, inputs)[0]
        if trail:
            hidden = torch.cat([trail.hidden[: packed.n_known], hidden])
        if self.causal:
            self._trail = Trail(ids[-1], plan.kept, hidden[torch.from_numpy(packed.last).to(hidden.device)])
        return pool(hidden, packed.paths, spans, self.space.pooling)

    def forget(self) -> None:
        """Let the next batch be computed from nothing."""
        self._trail = None


def choose_runner(network: Any, space: Space) -> Runner:  # noqa: ANN401 - as above
    """Return the packed runner where it gives the padded one's vectors on a probe, else the padded one.

    Models with other kinds of attention (sliding windows, sinks, soft caps) fail the probe or raise in it.
    """
    from transformers import AttentionInterface

    reference = PaddedRunner(network, space)
    if not getattr(network, "_supports_attention_backend", False) or _has_windows(network.config):
        return reference
    ids = _probe(int(network.config.vocab_size))
    spans = np.asarray([[0, len(one)] for one in ids])
    expected = reference.run(ids, spans)
    AttentionInterface.register(PACKED, packed_attention)
    usual = network.config._attn_implementation
    network.set_attn_implementation(PACKED)
    dtype = getattr(torch, space.compute_dtype)
    for kernel, causal in itertools.product(kernels(network.device, dtype), (True, False)):
        runner = PackedRunner(network, space, causal=causal, kernel=kernel)
        if _agrees(runner, ids, spans, expected):
            return runner
    network.set_attn_implementation(usual)
    reference.attention = f"padded, {usual}"
    return reference


def _agrees(
    runner: PackedRunner, ids: Sequence[Ids], spans: npt.NDArray[np.int64], expected: Float[Tensor, "text dim"]
) -> bool:
    """Tell whether the packed vectors are near the padded ones, also when a batch goes on from the one before."""
    space = runner.space
    bound = _AGREE[space.compute_dtype] if space.quantization == "none" else _AGREE_QUANTIZED
    try:
        found = torch.cat([runner.run(ids, spans), runner.run(ids[::-1], spans[::-1])])
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError, ImportError):
        return False
    far = (found - torch.cat([expected, expected.flip(0)])).abs().max()
    return bool(far <= bound * expected.abs().max().clamp(min=1.0))


def _hidden(network: Any, space: Space, inputs: dict[str, Tensor]) -> Tensor:  # noqa: ANN401 - as above
    if space.layer == -1:
        states: Tensor = network(**inputs).last_hidden_state
        return states
    every: Tensor = network(**inputs, output_hidden_states=True).hidden_states[space.layer]
    return every


def _has_windows(config: Any) -> bool:  # noqa: ANN401 - a transformers config
    """Tell whether some layer sees only the tokens near by, which short probes would not show."""
    kinds = getattr(config, "layer_types", None) or ["full_attention"]
    return set(kinds) != {"full_attention"}


def _probe(n_words: int) -> list[Ids]:
    """Return three texts, two of which begin alike."""
    draw = np.random.default_rng(0)
    head, *tails = (draw.integers(0, n_words, n).astype(np.int32) for n in (7, 5, 9, 4))
    return [np.concatenate([head, tails[0]]), np.concatenate([head, tails[1]]), tails[2]]
