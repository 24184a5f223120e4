"""One process at a time in a folder: the jobs of an array ask for the same slide at the same moment."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genesem_embed.folders import cache_dir

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows has no such lock, and downloads go on without it
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_one(place: Path) -> Iterator[None]:
    """Wait until no other process of this user works in `place`, and keep the others waiting meanwhile.

    The lock lies in the cache folder and ends with the process, however it ends. Where that folder cannot be written
    there is no lock.
    """
    path = cache_dir() / "locks" / f"{hashlib.sha256(bytes(place.absolute())).hexdigest()[:16]}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError:
        yield
        return
    with file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
