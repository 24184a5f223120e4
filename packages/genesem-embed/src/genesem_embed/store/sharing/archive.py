"""Archive: a store, or part of one, as a single plain tar file; and the way back for one that a stranger made.

Reading uses none of tarfile's extraction: each header is decoded, and only plain files with the name of a file of a
store are written, into quarantine. It is never compressed, so nothing unpacks beyond the archive's own bytes.
"""

import os
import re
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from genesem_embed.errors import InputError, IntegrityError
from genesem_embed.store.files.disk import fsync_path, staging, telling
from genesem_embed.store.files.manifest import FILES, MANIFEST, PROVENANCE
from genesem_embed.store.sharing.choice import Filters
from genesem_embed.store.sharing.pull import Moved, OnSegment, pull
from genesem_embed.store.sharing.push import choose_own, files_of
from genesem_embed.store.sharing.source import FolderSource

if TYPE_CHECKING:
    from genesem_embed.store.store import Store

BLOCK = 512
MAX_MEMBERS = 2_000_000
MAX_USTAR_BYTES = 8 * 2**30
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK": "zip"}
_WORD = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}"
_NAME = re.compile(
    r"store\.json|spaces/[0-9a-f]{64}\.json"
    rf"|segments/[0-9a-f]{{64}}/({'|'.join(map(re.escape, sorted(FILES | {MANIFEST, PROVENANCE})))})"
    rf"|collections/{_WORD}/[0-9a-f]{{64}}\.(json|parquet)|refs/{_WORD}\.json"
)


def export_archive(store: "Store", path: Path, filters: Filters | None = None) -> int:
    """Return the number of segments written to the new archive at `path`; equal choices give equal bytes."""
    chosen = choose_own(store, filters or Filters())
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    with telling(path.parent):
        try:
            with (
                beside.open("xb") as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive,
            ):
                for name in files_of(chosen):
                    _add(archive, store.root / name, name)
            fsync_path(beside)
            beside.replace(path)
            fsync_path(path.parent)
        finally:
            beside.unlink(missing_ok=True)
    return len(chosen.segments)


def import_archive(
    store: "Store",
    path: Path,
    filters: Filters | None = None,
    on_segment: OnSegment = lambda done, total, n_bytes: None,
) -> Moved:
    """Return what was taken from the archive at `path`, every segment checked in full before it is published."""
    with staging(store.in_place()) as folder:
        unpack(path, folder / "archive")
        return replace(
            pull(store, FolderSource(folder / "archive", consume=True), filters, on_segment), source=str(path)
        )


def unpack(path: Path, folder: Path) -> None:
    """Write the files of an archive under `folder`; anything but the plain files of a store is refused.

    Raises
    ------
    IntegrityError
        Compressed, cut off, or a member that is a link, a device, a folder, a repetition, or has an unknown name.
    """
    folder.mkdir()
    try:
        file = path.open("rb")
    except OSError as error:
        msg = f"the archive {path} cannot be read: {error.strerror}"
        raise InputError(msg) from None
    with file:
        for name, size in _members(file, path):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                _copy(file, out, size)


def _members(file: IO[bytes], path: Path) -> Iterator[tuple[str, int]]:
    """Yield name and size of each member, with the file at its first byte."""
    total = os.fstat(file.fileno()).st_size
    seen: set[str] = set()
    while block := file.read(BLOCK):
        if not block.strip(b"\0"):
            return
        start = file.tell()
        info = _header(block, path)
        problem = _problem(info, seen, total - start)
        if problem:
            what = f"member {info.name[:80]!r} {problem}"
            msg = f"the archive {path} was refused: {what}; make archives with: genesem-embed export"
            raise IntegrityError(msg)
        seen.add(info.name)
        yield info.name, info.size
        file.seek(start + -(-info.size // BLOCK) * BLOCK)


def _header(block: bytes, path: Path) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        packed = [kind for magic, kind in _PACKED.items() if block.startswith(magic)]
        what = (
            f"it is compressed with {packed[0]}; expected a plain tar" if packed else f"it has a bad header ({error})"
        )
        msg = f"the archive {path} was refused: {what}"
        raise IntegrityError(msg) from None


def _problem(info: tarfile.TarInfo, seen: set[str], left: int) -> str:
    """Return why a member is refused, or nothing."""
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return f"is of type {info.type!r}; only plain files are taken"
    if not _NAME.fullmatch(info.name):
        return "has no name that a file of a store can have"
    if info.name in seen:
        return "is there twice"
    if len(seen) >= MAX_MEMBERS:
        return f"comes after {MAX_MEMBERS} others, more than any store has"
    if not 0 <= info.size <= left:
        return f"declares {info.size} bytes, {left} are left in the archive"
    return ""


def _copy(file: IO[bytes], out: IO[bytes], size: int) -> None:
    while size:
        part = file.read(min(size, 2**20))
        out.write(part)
        size -= len(part)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = path.stat().st_size
    if info.size >= MAX_USTAR_BYTES:
        msg = f"{path} has {info.size} bytes; a tar archive takes files under {MAX_USTAR_BYTES}: use push or rsync"
        raise InputError(msg)
    with path.open("rb") as file:
        archive.addfile(info, file)
