"""A registered data set brought to this machine: link to checked file in the data folder, downloaded once."""

import contextlib
import hashlib
from pathlib import Path

import pooch
import requests

from genesem_embed.datasets.download import ResumingDownloader
from genesem_embed.datasets.lock import only_one
from genesem_embed.datasets.registry import Dataset, RemoteFile
from genesem_embed.datasets.unpack import extract_member
from genesem_embed.errors import DownloadError, GenesemError
from genesem_embed.folders import data_dir

_OFFLINE = "`--dataset demo` needs no download"


def fetch_dataset(dataset: Dataset, *, folder: Path | None = None) -> Path:
    """Return the folder that holds every file of `dataset`, downloading only what is missing or damaged.

    A simulated slide is made and written there.

    Parameters
    ----------
    folder
        Where data sets live, the user's usual place unless given; this one gets a folder of its own name in it.

    Raises
    ------
    DownloadError
        Where a source does not deliver; the message says where to put the file by hand.
    """
    place = (folder or data_dir()) / dataset.name
    try:
        if dataset.reader == "demo":
            _write_demo(place / f"{dataset.name}.h5ad")
        if not all(_is_here(file, place) for file in dataset.files):
            with only_one(place):
                for file in dataset.files:
                    _fetch_file(dataset, file, place)
    except OSError as error:
        if isinstance(error, GenesemError):
            raise
        msg = f"{dataset.name}: cannot write to {place} ({error.strerror or error}): set GENESEM_DATA to another folder"
        raise DownloadError(msg) from error
    return place


def _write_demo(target: Path) -> None:
    """Write the simulated slide as a file to look at; by its name it is made afresh and needs none."""
    from genesem_embed.datasets.demo import make_demo

    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".part")
        make_demo().write_h5ad(part)
        part.replace(target)


def _is_here(file: RemoteFile, place: Path) -> bool:
    target = place / file.filename
    return target.exists() if file.archive is not None else _is_right(file, target)


def _fetch_file(dataset: Dataset, file: RemoteFile, place: Path) -> None:
    target = place / file.filename
    if file.archive is None:
        _download(dataset, file, target)
    elif not target.exists():
        archive = place / file.archive
        _download(dataset, file, archive)
        assert file.member is not None, f"{dataset.name}: {file.archive} names no member"
        extract_member(archive, file.member, target)


def _download(dataset: Dataset, file: RemoteFile, target: Path) -> None:
    """Make sure that `target` holds the bytes that `file` promises."""
    if _is_right(file, target):
        return
    if file.url is None:
        msg = (
            f"{dataset.name}: no direct link to {target.name} is known; get it from {dataset.source} "
            f"and put it at {target}{_others(dataset)}; {_OFFLINE}"
        )
        raise DownloadError(msg)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _retrieve(file.url, file.sha256, target)
    except (requests.RequestException, ValueError) as error:
        message = _explain(dataset, file, target, error)
        _remove_empty(target.parent)
        raise DownloadError(message) from error
    if file.size is not None and target.stat().st_size != file.size:
        found = target.stat().st_size
        target.unlink()
        msg = f"{dataset.name}: {file.url} delivered {found} bytes, {file.size} were expected; fetch it again"
        raise DownloadError(msg)


def _is_right(file: RemoteFile, target: Path) -> bool:
    if not target.exists():
        return False
    if file.size is not None and target.is_file() and target.stat().st_size != file.size:
        return False
    return file.sha256 is None or _sha256(target) == file.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _retrieve(url: str, sha256: str | None, target: Path) -> None:
    target.unlink(missing_ok=True)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # pooch reports its own progress, and the hash of files without one, as log lines
    try:
        pooch.retrieve(url, sha256, target.name, target.parent, downloader=ResumingDownloader(target))
    finally:
        logger.setLevel(level)


def _remove_empty(folder: Path) -> None:
    """Leave no empty folder behind a download that never began."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _explain(dataset: Dataset, file: RemoteFile, target: Path, error: Exception) -> str:
    part = ResumingDownloader(target).part
    kept = f"{part.stat().st_size} bytes are kept and the same command goes on from there; or " if part.exists() else ""
    return (
        f"{dataset.name}: cannot get {file.url} ({_reason(error)}); {kept}get {target.name} by hand "
        f"(from {dataset.source}) and put it at {target}{_others(dataset)}; {_OFFLINE}"
    )


def _others(dataset: Dataset) -> str:
    more = len(dataset.files) - 1
    return f" (one of {more + 1} files: see `genesem-embed datasets show {dataset.name}`)" if more else ""


def _reason(error: Exception) -> str:
    """Return what went wrong in a few words; the errors of requests print the whole chain of causes."""
    match error:
        case requests.HTTPError() if error.response is not None:
            return f"the server answered {error.response.status_code}"
        case requests.Timeout():
            return "no answer in time"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection broke off"
        case requests.ConnectionError():
            return "no connection"
        case ValueError() if "hash" in str(error).lower():
            return "the bytes are not the ones promised, their sha256 differs"
        case _:
            return str(error).splitlines()[0]
