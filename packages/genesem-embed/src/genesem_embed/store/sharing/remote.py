"""Stores at a URL, through obstore: ``s3://``, ``gs://``, ``az://``, ``http(s)://`` and ``hf://`` datasets.

obstore rather than fsspec: one wheel without dependencies serves all of these, retries by itself, streams ranges and is
typed, where fsspec needs s3fs, gcsfs and aiohttp, each with caches of its own. Hugging Face datasets are read through
their plain HTTPS addresses. Credentials come from the standard environment variables of each service alone.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from genesem_embed.errors import DownloadError, GenesemError, IntegrityError, MissingExtraError, StoreError
from genesem_embed.store.files.disk import telling

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

T = TypeVar("T")

ATTEMPTS = 6
FIRST_WAIT_S = 0.2
_SCHEMES = ("s3://", "gs://", "az://", "http://", "https://", "hf://")
_READ_ONLY = ("http://", "https://", "hf://")
_HF = "https://huggingface.co/datasets"


def is_url(place: str | Path) -> bool:
    """Tell whether `place` is a URL of a remote store."""
    return isinstance(place, str) and place.startswith(_SCHEMES)


def local_path(place: str | Path) -> Path:
    """Return a path on this machine; a URL of an unknown kind is refused rather than taken for a folder."""
    text = str(place)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    if isinstance(place, str) and "://" in text:
        msg = f"{text} is of no kind known here; expected a path or one of {' '.join(_SCHEMES)}"
        raise StoreError(msg)
    return Path(place)


class RemoteSource:
    """A store at a URL, to read from and, where the service takes it, to write to."""

    def __init__(self, url: str) -> None:
        self.place = url.rstrip("/")
        self.can_list = not url.startswith(_READ_ONLY)
        self._objects = _connect(self.place)

    def read(self, name: str, limit: int) -> bytes:
        """Return a small file."""

        def once() -> bytes:
            import obstore

            found = obstore.get(self._objects, name)
            size = found.meta["size"]
            if size > limit:
                msg = f"{self.place}/{name} has {size} bytes; a store's file of this name has at most {limit}"
                raise IntegrityError(msg)
            return bytes(found.bytes())

        return self._insist(name, once)

    def fetch(self, name: str, target: Path, size: int) -> None:
        """Download a file, appending to what an earlier try left; more bytes than promised are never written."""

        def once() -> None:
            have = target.stat().st_size if target.exists() else 0
            if have < size:
                self._append(name, target, have, size)
            if target.stat().st_size != size:
                msg = f"{target.stat().st_size} of {size} bytes arrived"
                raise ConnectionError(msg)

        if size == 0:
            target.touch()
        self._insist(name, once)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder."""

        def once() -> list[str]:
            import obstore

            found = obstore.list_with_delimiter(self._objects, prefix=folder)
            paths = [*found["common_prefixes"], *(entry["path"] for entry in found["objects"])]
            return sorted({path.rstrip("/").rpartition("/")[2] for path in paths})

        return self._insist(folder, once)

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the size of every file under a folder, by its name in the store."""

        def once() -> dict[str, int]:
            import obstore

            return {
                entry["path"]: entry["size"] for page in obstore.list(self._objects, prefix=folder) for entry in page
            }

        return self._insist(folder, once)

    def write(self, name: str, content: bytes | Path) -> None:
        """Upload one file; it appears whole or not at all."""
        if not self.can_list:
            way = (
                "upload a folder with: hf upload"
                if self.place.startswith("hf://")
                else "push to s3://, gs:// or a path"
            )
            msg = f"{self.place} can only be read; {way}"
            raise StoreError(msg)

        def once() -> None:
            import obstore

            obstore.put(self._objects, name, content)

        self._insist(name, once)

    def _append(self, name: str, target: Path, have: int, size: int) -> None:
        import obstore
        from obstore.exceptions import NotSupportedError

        try:
            found = obstore.get(self._objects, name, options={"range": {"offset": have}} if have else None)
        except NotSupportedError:
            target.unlink()  # a server without ranges: from the start again
            found, have = obstore.get(self._objects, name), 0
        with telling(target.parent), target.open("ab") as file:
            for chunk in found.stream(min_chunk_size=2**16):
                have += len(chunk)
                if have > size:
                    msg = f"{self.place}/{name} sends more than the {size} bytes promised"
                    raise IntegrityError(msg)
                file.write(chunk)

    def _insist(self, name: str, once: Callable[[], T]) -> T:
        """Return what `once` returns, trying again where a connection breaks; what is not there is not waited for."""
        from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError

        final = (NotSupportedError, PermissionDeniedError, UnauthenticatedError)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return once()
            except (FileNotFoundError, GenesemError):
                raise
            except (BaseError, OSError) as error:
                if attempt == ATTEMPTS or isinstance(error, final):
                    told = f"{_first_line(error)}; run again to go on"
                    msg = f"{self.place}/{name} could not be moved after {attempt} tries: {told}"
                    raise DownloadError(msg) from None
                time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        raise AssertionError


def _connect(url: str) -> "ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        msg = f'{url} needs obstore, which is not installed; run: pip install "genesem-embed[share]"'
        raise MissingExtraError(msg) from error
    options: ClientConfig = {"allow_http": True, "timeout": "120s", "connect_timeout": "10s"}
    if url.startswith("hf://"):
        url, options = _hugging_face(url), {**options, **_token()}
    try:
        store: ObjectStore = from_url(url, client_options=options, retry_config={"max_retries": 4})
    except (BaseError, ValueError) as error:
        msg = f"{url} cannot be opened: {_first_line(error)}"
        raise StoreError(msg) from None
    return store


def _hugging_face(url: str) -> str:
    """Return the web address of ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``."""
    parts = url.removeprefix("hf://").removeprefix("datasets/").split("/")
    if len(parts) < 2 or not all(parts):
        msg = f"{url} names no dataset; expected hf://datasets/OWNER/NAME[@REVISION][/FOLDER]"
        raise StoreError(msg)
    name, _, revision = parts[1].partition("@")
    return "/".join([_HF, parts[0], name, "resolve", revision or "main", *parts[2:]])


def _token() -> "ClientConfig":
    """Return the header of the Hugging Face token where the environment holds one."""
    token = os.environ.get("HF_TOKEN")
    return {"default_headers": {"Authorization": f"Bearer {token}"}} if token else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
