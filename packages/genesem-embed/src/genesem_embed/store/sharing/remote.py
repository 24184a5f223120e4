"""Stores at a URL, through obstore: ``s3://``, ``gs://``, ``az://``, ``http(s)://`` and ``hf://`` datasets.

obstore rather than fsspec: one wheel without dependencies serves all of these, retries by itself, streams ranges and is
typed, where fsspec needs s3fs, gcsfs and aiohttp, each with caches of its own. Hugging Face datasets are read through
their plain HTTPS addresses.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from genesem_embed.errors import DownloadError, GenesemError, IntegrityError, StoreError
from genesem_embed.store.files.disk import telling
from genesem_embed.store.files.layout import SEGMENTS
from genesem_embed.store.files.manifest import MANIFEST
from genesem_embed.store.sharing.address import connect, first_line, is_read_only

T = TypeVar("T")

ATTEMPTS = 6
FIRST_WAIT_S = 0.2
CLOSE_BYTES = 2**17
"""Parts that lie closer together are asked for at once."""


class RemoteSource:
    """A store at a URL, to read from and, where the service takes it, to write to."""

    def __init__(self, url: str) -> None:
        self.place = url.rstrip("/")
        self.can_list = not is_read_only(url)
        self._objects = connect(self.place)

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

    def size(self, name: str) -> int | None:
        """Return the size of a file; None if there is none."""

        def once() -> int:
            import obstore

            return int(obstore.head(self._objects, name)["size"])

        try:
            return self._insist(name, once)
        except FileNotFoundError:
            return None

    def ranges(self, name: str, starts: Sequence[int], length: int) -> list[bytes] | None:
        """Return parts of a file, each `length` bytes from its start; None where the service knows no ranges."""
        from obstore.exceptions import NotSupportedError

        def once() -> list[bytes] | None:
            import obstore

            try:
                found = obstore.get_ranges(
                    self._objects, name, starts=starts, lengths=[length] * len(starts), coalesce=CLOSE_BYTES
                )
            except NotSupportedError:
                return None
            return [bytes(part) for part in found]

        return self._insist(name, once)

    def segments(self) -> list[str]:
        """Return the names of the segments that are whole: those whose manifest, which comes last, is there."""
        tail = f"/{MANIFEST}"
        names = [name for name in self.sizes(SEGMENTS) if name.endswith(tail)]
        return sorted(name.removeprefix(f"{SEGMENTS}/").removesuffix(tail) for name in names)

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
                    told = f"{first_line(error)}; run again to go on"
                    msg = f"{self.place}/{name} could not be moved after {attempt} tries: {told}"
                    raise DownloadError(msg) from None
                time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        raise AssertionError
