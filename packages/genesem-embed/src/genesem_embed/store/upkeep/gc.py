"""Garbage: segments that no collection or ref reaches, and what crashes left under ``tmp/``."""

import itertools
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesem_embed.store.files.disk import fsync_path, telling
from genesem_embed.store.files.layout import HIDDEN, SEGMENTS, TMP
from genesem_embed.store.files.locks import alone, is_in_use
from genesem_embed.store.sharing.quarantine import LOCK
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
        What was written, or relied on by a builder, a pull or a merge, less long ago is kept: the collection that names
        it may be about to be published. Under an hour is for a store that nobody else writes to.
    """
    root = store.in_place()
    before = time.time() - older_than_s
    if dry_run:
        segments, left = store.undisturbed(lambda: _find(store, before))
        n_bytes = sum(_size(path) for path in (*segments, *left))
    else:
        with telling(root), _alone(root):
            segments, left = store.undisturbed(lambda: _find(store, before))
            hidden = [path for path in segments if _hide(root, path, before)]
            segments = hidden
            n_bytes = sum(_size(_hidden(root) / path.name) for path in hidden) + sum(_size(path) for path in left)
            for path in (*(_hidden(root) / path.name for path in hidden), *left):
                _remove(root, path)
    return Garbage(
        dry_run=dry_run,
        segments=tuple(path.name for path in segments),
        leftovers=tuple(path.relative_to(root).as_posix() for path in left),
        n_bytes=n_bytes,
    )


def _find(store: "Store", before: float) -> tuple[list[Path], list[Path]]:
    """Return the segments and leftovers that are old enough to go; what a living process has locked is none."""
    segments = [store.root / SEGMENTS / digest for digest in unreached(store)]
    old = [path for path in segments if _age_of(path) <= before]
    left = [path for path in leftovers(store.root) if _age_of(path) <= before and not _is_held(path)]
    return old, left


def _hide(root: Path, path: Path, before: float) -> bool:
    """Take a segment out of sight; False, and it is put back, if somebody came to rely on it since it was looked at."""
    aside = _hidden(root) / path.name
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    if aside.stat().st_mtime > before:
        aside.rename(path)
        return False
    fsync_path(path.parent)
    return True


def _hidden(root: Path) -> Path:
    return root / TMP / HIDDEN


def _is_held(path: Path) -> bool:
    """Tell whether a living process works in a folder under ``tmp/``, or holds the lock of a segment being pulled."""
    return is_in_use(path) or is_in_use(path.with_suffix(LOCK))


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Let one `gc` at a time run, and put back first what a killed one left hidden: it may be needed by now."""
    _hidden(root).mkdir(parents=True, exist_ok=True)
    with alone(root / TMP / f"{HIDDEN}{LOCK}"):
        for path in _hidden(root).iterdir():
            if (root / SEGMENTS / path.name).exists():
                _remove(root, path)
            else:
                path.rename(root / SEGMENTS / path.name)
        yield


def _remove(root: Path, path: Path) -> None:
    """Take `path` to a place of its own by one rename, then remove it: nobody meets half of a segment."""
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
    return max((status.st_mtime for status in _statuses(path)), default=time.time())


def _size(path: Path) -> int:
    return sum(status.st_size for status in _statuses(path) if stat.S_ISREG(status.st_mode))


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """Yield the status of a file or of a folder and all in it; what goes while this looks is left out."""
    folders = os.walk(path)  # passes over a folder that is gone
    inside = (Path(folder, name) for folder, *names in folders for name in itertools.chain(*names))
    for entry in itertools.chain([path], inside):
        with suppress(FileNotFoundError):
            yield entry.lstat()
