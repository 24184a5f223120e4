"""Results that are kept as they come, so that a long comparison goes on where it was stopped."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genesem_train.errors import ConfigError


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
    """Return a result that was kept.

    Raises
    ------
    ConfigError
        When the file cannot be read as a JSON object.
    """
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}; expected what a finished fit wrote: fit again"
        raise ConfigError(msg) from error
    if not isinstance(kept, dict):
        msg = f"{path} holds a {type(kept).__name__}; expected a JSON object, as a finished fit writes it: fit again"
        raise ConfigError(msg)
    return kept
