"""Attention over texts of many lengths that lie side by side: the kernels that a device offers for it, best first.

Flash attention takes such texts as they are. Where there is none, scaled dot product attention runs over groups of
texts of like length, padded to the longest of each.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor

_HALF = (torch.float16, torch.bfloat16)


class Varlen(Protocol):
    """Attention of runs of queries, each over its own run of keys; both end at the same token."""

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, ends: "Ends", *, causal: bool, scale: float | None
    ) -> Tensor:
        """Return (query, head, dim) for queries (query, head, dim), keys and values (key, kv_head, dim)."""
        ...


@dataclass(frozen=True)
class Ends:
    """Where runs end: running totals that begin with 0, int32, and the longest run of each kind."""

    queries: Tensor
    keys: Tensor
    max_queries: int
    max_keys: int


@dataclass(frozen=True)
class Kernel:
    """One way to compute attention; `run` is None for padded groups."""

    name: str
    run: Varlen | None


PADDED_GROUPS = Kernel("sdpa", None)


def kernels(device: torch.device, dtype: torch.dtype) -> Iterator[Kernel]:
    """Yield what may be tried on `device`; the last one always works."""
    if device.type == "cuda" and dtype in _HALF:
        if (flash := _flash_attn()) is not None:
            yield Kernel("flash_attn", flash)
        if (varlen := _torch_varlen()) is not None:
            yield Kernel("torch varlen_attn", varlen)
    yield PADDED_GROUPS


def _flash_attn() -> Varlen | None:
    """Return the kernel of the package flash-attn, if it is installed and loads here."""
    try:
        function = importlib.import_module("flash_attn").flash_attn_varlen_func
    except (ImportError, OSError, AttributeError):  # absent, built for another torch, or too old
        return None

    def run(query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, causal: bool, scale: float | None) -> Tensor:
        # Causal queries end at the last key (flash-attn 2.1 and later): what a text shares lies before its own tokens.
        found: Tensor = function(
            query, key, value, ends.queries, ends.keys, ends.max_queries, ends.max_keys,
            softmax_scale=scale, causal=causal,
        )  # fmt: skip
        return found

    return run


def _torch_varlen() -> Varlen | None:
    """Return torch's own flash kernel, which newer releases have."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    function = cast("Callable[..., Any]", varlen_attn)

    def run(query: Tensor, key: Tensor, value: Tensor, ends: Ends, *, causal: bool, scale: float | None) -> Tensor:
        found: Tensor = function(
            query, key, value, ends.queries, ends.keys, ends.max_queries, ends.max_keys,
            scale=scale, window_size=(-1, 0 if causal else -1), enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
        return found

    return run
