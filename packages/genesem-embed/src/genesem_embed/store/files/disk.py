"""Bytes to disk so that a power cut leaves either all of them or none: write aside, fsync, rename once."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genesem_embed.errors import GenesemError, StoreError
from genesem_embed.store.files.layout import TMP
from genesem_embed.store.files.locks import held

_TELLABLE = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "your quota is used up: free some space and run again",
    errno.EFBIG: "a file would exceed the size limit: raise it and run again",
    errno.EROFS: "it is read-only: choose a store that you may write to",
    errno.EACCES: "permission is denied: choose a store that you may write to",
    errno.EPERM: "permission is denied: choose a store that you may write to",
}


# Measured on ext4 (Linux 6, virtual disk): six times faster than pieces of 256 KiB or more.
WRITE_BYTES = 65_536
FSYNC_THREADS = 16


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file as it was written."""

    size: int
    sha256: str


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Give a fresh folder under ``tmp/`` of the store; what is left in it afterwards is removed.

    It is locked while it is in use, which tells `gc` that it is no leftover; the lock goes with the process.
    """
    folder = root / TMP / uuid.uuid4().hex
    with telling(root):
        folder.mkdir(parents=True)
        try:
            with held(folder):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def telling(root: Path) -> Iterator[None]:
    """Turn what a disk can refuse into one clear line."""
    try:
        yield
    except GenesemError:
        raise
    except OSError as error:
        if error.errno not in _TELLABLE:
            raise
        msg = f"cannot write to {root}: {_TELLABLE[error.errno]}; nothing half-written was published"
        raise StoreError(msg) from error


def write_file(path: Path, parts: Iterable[bytes | memoryview]) -> Written:
    """Return size and hash of the new file at `path`, made of `parts`; publishing makes it safe on disk."""
    digest = hashlib.sha256()
    size = 0
    with path.open("xb", buffering=0) as file:
        for part in parts:
            view = memoryview(part).cast("B")
            digest.update(view)
            size += _write_all(file.fileno(), view)
    return Written(size=size, sha256=digest.hexdigest())


def read_facts(path: Path) -> Written:
    """Return size and hash of a file that something else wrote."""
    return Written(size=path.stat().st_size, sha256=hash_file(path))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_path(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, safe on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(staged: Path, target: Path) -> bool:
    """Move a finished folder to its content-named place by one rename; False if it was there already.

    Everything in it is synced first, and only now and side by side: the file system then commits once for all of it.
    """
    with ThreadPoolExecutor(FSYNC_THREADS) as pool:
        list(pool.map(fsync_path, (staged, *staged.rglob("*"))))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    fsync_path(target.parent)
    return True


def publish_file(root: Path, target: Path, data: bytes) -> None:
    """Put `data` at `target` by one rename, over what may be there."""
    with staging(root) as folder:
        write_file(folder / "file", [data])
        fsync_path(folder / "file")
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "file").replace(target)
        fsync_path(target.parent)


def _write_all(descriptor: int, view: memoryview) -> int:
    size = len(view)
    while view:
        view = view[os.write(descriptor, view[:WRITE_BYTES]) :]
    return size
