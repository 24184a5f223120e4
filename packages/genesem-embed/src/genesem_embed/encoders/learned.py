"""The token budget that memory has taught, by space and device, kept in the cache folder from run to run."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from genesem_embed.folders import cache_dir


def learned_tokens(space_id: str, device: str) -> int | None:
    """Return the token budget that an earlier run came to when memory ran out; None if it never did."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(_file(space_id, device).read_text("utf-8"))
        tokens = found["batch_tokens"]
        return tokens if isinstance(tokens, int) and tokens > 0 else None
    return None


def keep_tokens(space_id: str, device: str, tokens: int) -> None:
    """Keep the budget for later runs; a cache that cannot be written only costs them time."""
    path = _file(space_id, device)
    beside = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"space": space_id, "device": device, "batch_tokens": tokens}), "utf-8")
        beside.replace(path)


def _file(space_id: str, device: str) -> Path:
    name = hashlib.sha256(f"{space_id} {device}".encode()).hexdigest()
    return cache_dir() / "token-budgets" / f"{name}.json"
