"""Locks that tell `gc` what is in use: they go with their process; only `gc` and a resumed pull ask for them.

Where there is no ``flock`` (Windows) nothing is locked: there the age alone keeps `gc` from what is being written.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

CAN_LOCK = sys.platform != "win32"
if sys.platform != "win32":
    import fcntl


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a shared lock on a folder."""
    if not CAN_LOCK:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, shared=True)
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> bool:
    """Tell whether an open file or folder could be locked at once; closing it lets go."""
    if not CAN_LOCK:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for the lock on a file, which is made if it is not there, and hold it."""
    with path.open("wb") as file:
        if CAN_LOCK:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        yield


def is_in_use(path: Path) -> bool:
    """Tell whether a living process holds a lock on a file or folder."""
    if not CAN_LOCK:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not lock(descriptor)
    finally:
        os.close(descriptor)


def freshen(paths: Iterable[Path]) -> bool:
    """Tell `gc` that these folders are relied on from now; False if one of them is gone."""
    for path in paths:
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
        except OSError:  # another user's, or read-only: its age alone protects it
            continue
    return True
