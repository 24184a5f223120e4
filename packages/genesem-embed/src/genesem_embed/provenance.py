"""Who made a segment, when, on what and with which versions: informative, never part of a digest."""

import getpass
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("genesem-embed", "torch", "transformers", "tokenizers", "accelerate", "bitsandbytes", "zarr", "numpy")


def describe_run(*, device: str, seconds: float, n_texts: int, n_tokens: int) -> dict[str, object]:
    """Return the provenance of freshly encoded vectors as plain JSON values.

    Parameters
    ----------
    device
        What the encoder ran on, as the encoder names it.
    seconds
        Wall time of the encoding alone.
    n_texts, n_tokens
        How much was encoded in that time.
    """
    return {
        "made_by": os.environ.get("GENESEM_MAKER") or _user(),
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": {"machine": platform.machine(), "system": platform.system(), "cores": os.cpu_count(), "device": device},
        "python": platform.python_version(),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
        "seconds": round(seconds, 3),
        "n_texts": n_texts,
        "n_tokens": n_tokens,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
