"""Attention over packed texts, plugged into transformers' own models under the name `PACKED`.

The model's layers stay those of transformers, so that whatever replaces them (quantised or adapted linear layers,
layers spread over devices) works here as well; only the attention between them knows that the row holds many texts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genesem_embed.encoders.kernels import PADDED_GROUPS, Ends, Kernel, Varlen
from genesem_embed.encoders.packing import Pack, Runs
from genesem_embed.encoders.trail import States, Trail

PACKED = "genesem_packed"
_current: ContextVar["AttentionPlan"] = ContextVar("the plan of the batch that is being run")


@dataclass(frozen=True)
class _Group:
    """The indices by which one group of runs is gathered."""

    queries: Int[Tensor, "run new"]
    keys: Int[Tensor, "run seen"]
    mask: Bool[Tensor, "run 1 new seen"]

    def to(self, device: torch.device) -> "_Group":
        return _Group(self.queries.to(device), self.keys.to(device), self.mask.to(device))


class _PaddedGroups:
    """Runs of like length side by side, padded to the longest of each group."""

    def __init__(self, packed: Pack, *, causal: bool) -> None:
        self._groups = [_plan(runs, causal=causal) for runs in packed.runs]
        self._place = _places(packed.runs, len(packed.ids))

    def to(self, device: torch.device) -> None:
        self._groups = [group.to(device) for group in self._groups]
        self._place = self._place.to(device)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
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
        return torch.cat(parts)[self._place]


class _Flat:
    """Runs one after the other, as flash attention takes them: nothing is padded."""

    def __init__(self, packed: Pack, run: Varlen, *, causal: bool) -> None:
        self._run, self._causal = run, causal
        n_new, n_seen = packed.n_new[packed.n_new > 0], packed.n_seen[packed.n_new > 0]
        paths = packed.paths[packed.n_new > 0]
        inside = np.arange(paths.shape[1])[None] < (n_new + n_seen)[:, None]
        self._keys = torch.from_numpy(paths[inside])
        self._ends = Ends(_ends(n_new), _ends(n_new + n_seen), int(n_new.max()), int((n_new + n_seen).max()))

    def to(self, device: torch.device) -> None:
        self._keys = self._keys.to(device)
        ends = self._ends
        self._ends = Ends(ends.queries.to(device), ends.keys.to(device), ends.max_queries, ends.max_keys)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float | None) -> Tensor:
        return self._run(q, k[self._keys], v[self._keys], self._ends, causal=self._causal, scale=scale)


class AttentionPlan:
    """Which tokens of a packed row see which; made once a batch and used by every layer.

    Parameters
    ----------
    trail
        What the batch before left; needed where the row leaves known tokens out.
    keep
        Keep the keys and values of the last text for the batch after this one.
    """

    def __init__(
        self,
        packed: Pack,
        device: torch.device,
        *,
        causal: bool,
        kernel: Kernel = PADDED_GROUPS,
        trail: Trail | None = None,
        keep: bool = False,
    ) -> None:
        self._way = (
            _PaddedGroups(packed, causal=causal) if kernel.run is None else _Flat(packed, kernel.run, causal=causal)
        )
        self._trail, self._n_known = trail, packed.n_known
        self._last = torch.from_numpy(packed.last) if keep else None
        self.kept: dict[int, States] = {}
        """Keys and values of the last text, by layer."""
        self._to(device)

    def _to(self, device: torch.device) -> None:
        self._device = device
        self._way.to(device)
        if self._last is not None:
            self._last = self._last.to(device)

    def attend(
        self,
        layer: torch.nn.Module,
        query: Float[Tensor, "1 head token dim"],
        key: Float[Tensor, "1 kv_head token dim"],
        value: Float[Tensor, "1 kv_head token dim"],
        scale: float | None,
    ) -> Float[Tensor, "1 token head dim"]:
        """Return the attention of every packed token over its own text."""
        if query.device != self._device:
            self._to(query.device)
        q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
        if self._trail is not None and self._n_known:
            known = self._trail.layers[id(layer)]
            k, v = (torch.cat([old[: self._n_known], new]) for old, new in zip(known, (k, v), strict=True))
        if self._last is not None:
            self.kept[id(layer)] = (k[self._last], v[self._last])
        return self._way.attend(q, k, v, scale)[None]


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
    return _current.get().attend(module, query, key, value, scaling), None


def _ends(lengths: np.ndarray) -> Tensor:
    return torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


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
