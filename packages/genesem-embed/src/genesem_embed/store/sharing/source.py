"""Source: where vectors can be had from. A folder, an unpacked archive or a URL look the same to `pull`."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from genesem_embed.errors import IntegrityError, NotAStoreError
from genesem_embed.store.files.layout import SEGMENTS


class Source(Protocol):
    """A store as its files, which may be a stranger's."""

    place: str
    can_list: bool
    """False for a plain web server: it serves what a ref names and nothing else can be found."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file; `FileNotFoundError` if there is none, `IntegrityError` if it is larger than `limit`."""
        ...

    def fetch(self, name: str, target: Path, size: int) -> None:
        """Make `target` the first `size` bytes of a file, going on where an earlier try stopped."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; none if there is no such folder."""
        ...

    def segments(self) -> list[str]:
        """Return the names of the segments that are there, sorted; those that are still on their way do not count."""
        ...


@contextmanager
def expecting(source: Source, name: str) -> Iterator[None]:
    """Turn the absence of a file that the source itself has named into a refusal."""
    try:
        yield
    except FileNotFoundError:
        msg = f"{source.place}/{name} is missing at the source, which names it elsewhere"
        raise IntegrityError(msg) from None


class FolderSource:
    """A store in a folder. Links and special files in it are refused: they lead out of it.

    Parameters
    ----------
    consume
        Move the files instead of copying them; for a folder that is thrown away afterwards.
    """

    can_list = True

    def __init__(self, root: Path, *, consume: bool = False) -> None:
        if not root.is_dir():
            msg = f"no store at {root}: found {'a file' if root.exists() else 'nothing'}; expected a store's folder"
            raise NotAStoreError(msg)
        self.root = root
        self.place = str(root)
        self._consume = consume

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file."""
        with self._plain(name).open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            msg = f"{self.place}/{name} has more than {limit} bytes; a store's file of this name is smaller"
            raise IntegrityError(msg)
        return data

    def fetch(self, name: str, target: Path, size: int) -> None:
        """Copy or move a file whose size was promised."""
        path = self._plain(name)
        found = path.stat().st_size
        if found != size:
            msg = f"{self.place}/{name} has {found} bytes, {size} were promised"
            raise IntegrityError(msg)
        if self._consume:
            path.replace(target)
        else:
            shutil.copyfile(path, target)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""
        try:
            return sorted(entry.name for entry in os.scandir(self._checked(folder)))
        except FileNotFoundError:
            return []

    def segments(self) -> list[str]:
        """Return the names of the segments."""
        return self.names(SEGMENTS)

    def _plain(self, name: str) -> Path:
        path = self._checked(name)
        if not stat.S_ISREG(path.lstat().st_mode):
            msg = f"{self.place}/{name} is not a plain file; a store holds nothing else"
            raise IntegrityError(msg)
        return path

    def _checked(self, name: str) -> Path:
        path = self.root
        for part in PurePosixPath(name).parts:
            path /= part
            if path.is_symlink():
                msg = f"{path} is a symbolic link; a store holds none, for they lead out of it"
                raise IntegrityError(msg)
        return path


def open_source(place: str | Path) -> Source:
    """Return the source at a path or URL."""
    from genesem_embed.store.sharing.address import is_url, local_path
    from genesem_embed.store.sharing.remote import RemoteSource

    return RemoteSource(str(place)) if is_url(place) else FolderSource(local_path(place))
