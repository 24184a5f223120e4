"""Bytes to disk so that a power cut leaves either all of them or none: write aside, fsync, rename once."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genesem_embed.errors import GenesemError, StoreError
from genesem_embed.store.layout import TMP

_TELLABLE = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "your quota is used up: free some space and run again",
    errno.EFBIG: "a file would exceed the size limit: raise it and run again",
    errno.EROFS: "it is read-only: choose a store that you may write to",
    errno.EACCES: "permission is denied: choose a store that you may write to",
    errno.EPERM: "permission is denied: choose a store that you may write to",
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file as it was written."""

    size: int
    sha256: str


@contextmanager
def staging(root: Path) -> Iterator[Path]:
    """Give a fresh folder under ``tmp/`` of the store; what is left in it afterwards is removed."""
    folder = root / TMP / uuid.uuid4().hex
    with telling(root):
        folder.mkdir(parents=True)
        try:
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


def write_file(path: Path, parts: Iterable[bytes]) -> Written:
    """Return size and hash of the new file at `path`, made of `parts` and safe on disk."""
    digest = hashlib.sha256()
    size = 0
    with path.open("xb", buffering=0) as file:
        for part in parts:
            digest.update(part)
            size += len(part)
            _write_all(file.fileno(), part)
        os.fsync(file.fileno())
    return Written(size=size, sha256=digest.hexdigest())


def seal_file(path: Path) -> Written:
    """Return size and hash of a file that a library wrote, once it is safe on disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
    return Written(size=size, sha256=hash_file(path))


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` safe on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(staged: Path, target: Path) -> bool:
    """Move a finished folder to its content-named place by one rename; False if it was there already."""
    for folder, _, _ in os.walk(staged, topdown=False):
        fsync_folder(Path(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    fsync_folder(target.parent)
    return True


def publish_file(root: Path, target: Path, data: bytes) -> None:
    """Put `data` at `target` by one rename, over what may be there."""
    with staging(root) as folder:
        write_file(folder / "file", [data])
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "file").replace(target)
        fsync_folder(target.parent)


def _write_all(descriptor: int, part: bytes) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(descriptor, view) :]
