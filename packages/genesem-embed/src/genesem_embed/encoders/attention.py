"""Attention over packed texts, plugged into transformers' own models under the name `PACKED`.

The model's layers stay those of transformers, so that whatever replaces them (quantised or adapted linear layers,
layers spread over devices) works here as well; only the attention between them knows that the row holds many texts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genesem_embed.encoders.packing import Pack, Runs

PACKED = "genesem_packed"
_current: ContextVar["AttentionPlan"] = ContextVar("the plan of the batch that is being run")


@dataclass(frozen=True)
class _Group:
    """The indices by which one group of runs is gathered."""

    queries: Int[Tensor, "run new"]
    keys: Int[Tensor, "run seen"]
    mask: Bool[Tensor, "run 1 new seen"]


class AttentionPlan:
    """Which tokens of a packed row see which; made once a batch and used by every layer."""

    def __init__(self, packed: Pack, device: torch.device, *, causal: bool) -> None:
        self._groups = [_plan(runs, causal=causal) for runs in packed.runs]
        self._place = _places(packed.runs, len(packed.ids))
        self._to(device)

    def _to(self, device: torch.device) -> None:
        self._groups = [_Group(*(part.to(device) for part in (g.queries, g.keys, g.mask))) for g in self._groups]
        self._place = self._place.to(device)
        self._device = device

    def attend(
        self,
        query: Float[Tensor, "1 head token dim"],
        key: Float[Tensor, "1 kv_head token dim"],
        value: Float[Tensor, "1 kv_head token dim"],
        scale: float | None,
    ) -> Float[Tensor, "1 token head dim"]:
        """Return the attention of every packed token over its own text."""
        if query.device != self._device:
            self._to(query.device)
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        parts = []
        for group in self._groups:
            found = torch.nn.functional.scaled_dot_product_attention(
                q[group.queries].transpose(1, 2),
                k[group.keys].transpose(1, 2),
                v[group.keys].transpose(1, 2),
                attn_mask=group.mask,
                scale=scale,
                enable_gqa=q.shape[1] != k.shape[1],
            )
            parts.append(found.transpose(1, 2).flatten(0, 1))
        return torch.cat(parts)[self._place][None]


@contextmanager
def planned(plan: AttentionPlan) -> Iterator[None]:
    """Let the attention of this thread follow `plan`."""
    token = _current.set(plan)
    try:
        yield
    finally:
        _current.reset(token)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Return what transformers expects of an attention function; the plan of the batch takes the mask's place."""
    return _current.get().attend(query, key, value, scaling), None


def _plan(runs: Runs, *, causal: bool) -> _Group:
    n_new, n_seen = torch.from_numpy(runs.n_new)[:, None], torch.from_numpy(runs.n_seen)[:, None]
    step = torch.arange(int(runs.n_new.max()))[None]
    # Places beyond a run's end repeat its last token: their results are computed and never used.
    queries = torch.from_numpy(runs.starts)[:, None] + torch.minimum(step, n_new - 1)
    keys = torch.arange(runs.paths.shape[1])
    last = n_seen + torch.minimum(step, n_new - 1) if causal else (n_seen + n_new - 1).expand(-1, step.shape[1])
    mask = keys[None, None] <= last[:, :, None]
    return _Group(queries, torch.from_numpy(runs.paths), mask[:, None])


def _places(groups: list[Runs], n_tokens: int) -> Int[Tensor, " token"]:
    """Return where each packed token's result lies in the groups' padded results, one after the other."""
    places = torch.empty(n_tokens, dtype=torch.int64)
    offset = 0
    for runs in groups:
        width = int(runs.n_new.max())
        for row, (start, n_new) in enumerate(zip(runs.starts.tolist(), runs.n_new.tolist(), strict=True)):
            places[start : start + n_new] = torch.arange(offset + row * width, offset + row * width + n_new)
        offset += len(runs.starts) * width
    return places
