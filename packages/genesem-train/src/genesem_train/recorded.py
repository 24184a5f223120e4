"""Results that are kept as they come, so that a long comparison goes on where it was stopped."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def record_path(folder: Path, identity: object) -> Path:
    """Return where the result of `identity`, plain JSON values that decide it, is kept."""
    text = json.dumps(identity, sort_keys=True)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


def recorded(folder: Path, identity: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result kept for `identity`, or make and keep it; as JSON has it either way."""
    path = record_path(folder, identity)
    if not path.exists():
        record(path, make())
    return load_record(path)


def record(path: Path, result: dict[str, Any]) -> None:
    """Keep a result; whatever stops it, `path` holds all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(result, indent=2, allow_nan=False), "utf-8")
    beside.replace(path)


def load_record(path: Path) -> dict[str, Any]:
    """Return a result that was kept."""
    kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return kept
