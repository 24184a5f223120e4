"""Garbage: segments that no collection or ref reaches, and what crashes left under ``tmp/``."""

import os
import shutil
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesem_embed.store.files.disk import fsync_path, telling
from genesem_embed.store.files.layout import SEGMENTS, TMP
from genesem_embed.store.trust.orphans import leftovers, unreached

if TYPE_CHECKING:
    from genesem_embed.store.store import Store

DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Garbage:
    """What can go, or went."""

    dry_run: bool
    segments: tuple[str, ...]
    leftovers: tuple[str, ...]
    """Paths within the store of what was never published."""
    n_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)


def collect_garbage(store: "Store", *, dry_run: bool = True, older_than_s: float = DAY_S) -> Garbage:
    """Return what no collection and no ref reaches, and remove it unless `dry_run`.

    Parameters
    ----------
    older_than_s
        What is younger is kept: a builder may be about to publish the collection that reaches it.
    """
    store.in_place()
    before = time.time() - older_than_s
    segments = [store.root / SEGMENTS / digest for digest in unreached(store)]
    old = [path for path in segments if _age_of(path) <= before]
    left = [path for path in leftovers(store.root) if _age_of(path) <= before]
    n_bytes = sum(_size(path) for path in (*old, *left))
    if not dry_run:
        with telling(store.root):
            for path in (*old, *left):
                _remove(store.root, path)
    return Garbage(
        dry_run=dry_run,
        segments=tuple(path.name for path in old),
        leftovers=tuple(path.relative_to(store.root).as_posix() for path in left),
        n_bytes=n_bytes,
    )


def _remove(root: Path, path: Path) -> None:
    """Take `path` out of sight by one rename, then remove it: nobody meets half of a segment."""
    aside = root / TMP / uuid.uuid4().hex
    aside.parent.mkdir(exist_ok=True)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    fsync_path(path.parent)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.unlink()


def _age_of(path: Path) -> float:
    """Return when `path` was last changed; a folder under ``tmp/`` counts with what was written in it last."""
    times = [entry.lstat().st_mtime for entry in (path, *path.rglob("*")) if os.path.lexists(entry)]
    return max(times, default=time.time())


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(entry.lstat().st_size for entry in files if entry.is_file())
