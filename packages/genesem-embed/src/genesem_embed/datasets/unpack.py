"""One member out of a zip or tar archive, and nothing beside the folder it belongs in."""

import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from genesem_embed.errors import DownloadError


def extract_member(archive: Path, member: str, target: Path) -> None:
    """Write `member` of `archive` to `target`: a file, or a folder where the member ends in a slash.

    The member appears under its final name only when it is whole.

    Raises
    ------
    DownloadError
        Where the archive is damaged, lacks the member, or names a path outside its own folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as scratch:
        try:
            _extract_all(archive, member, Path(scratch))
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
            msg = f"{archive} is not a whole archive ({error}): delete it and fetch the data set again"
            raise DownloadError(msg) from error
        found = Path(scratch) / member
        if not found.exists():
            msg = f"{archive} holds no {member!r}: the source has changed; delete the archive and report this"
            raise DownloadError(msg)
        shutil.move(found, target)


def _extract_all(archive: Path, member: str, folder: Path) -> None:
    """Extract what belongs to `member`, having checked every name in the archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            _refuse_climbing(archive, names)
            opened.extractall(folder, [name for name in names if _belongs(name, member)])
        return
    with tarfile.open(archive) as opened_tar:
        entries = opened_tar.getmembers()
        _refuse_climbing(archive, [entry.name for entry in entries])
        wanted = [entry for entry in entries if _belongs(entry.name, member) and (entry.isfile() or entry.isdir())]
        opened_tar.extractall(folder, wanted, filter="data")


def _belongs(name: str, member: str) -> bool:
    return name == member or (member.endswith("/") and f"{name}/".startswith(member))


def _refuse_climbing(archive: Path, names: list[str]) -> None:
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            msg = f"{archive} names {name!r}, a path outside its own folder: not unpacked; delete the archive"
            raise DownloadError(msg)
