"""One download that can be broken off and taken up again: the part that pooch does not do.

pooch keeps the cache and checks the hash; it hands us a link and a temporary file to fill. The bytes go to a ``.part``
file beside the target first, which outlives an interruption, and the next attempt asks the server for the rest.
"""

import os
from pathlib import Path

import requests
from tqdm import tqdm

_CHUNK = 1 << 18
_TIMEOUT = (10, 60)


class ResumingDownloader:
    """Fills the file that pooch asks for, going on from ``<target>.part`` where an earlier attempt stopped.

    Parameters
    ----------
    target
        Where the finished file will lie; the part file is kept beside it.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.part = target.with_name(target.name + ".part")
        self._mark = target.with_name(target.name + ".part.etag")

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:  # noqa: FBT001, FBT002  pooch's signature
        """Download `url` and move it to `output_file`; keeps the part file when the connection breaks."""
        response = self._ask(url)
        if response is not None:
            with response:
                self._receive(response)
        os.replace(self.part, output_file)  # noqa: PTH105  pooch hands over a plain string
        self._mark.unlink(missing_ok=True)

    def _ask(self, url: str) -> requests.Response | None:
        """Return the response that delivers what is still missing, None when nothing is."""
        start = self._resume_from()
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": self._mark.read_text()}
        response = requests.get(url, stream=True, timeout=_TIMEOUT, headers=headers)
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            response.close()
            if response.headers.get("Content-Range") == f"bytes */{start}":
                return None
            self.part.unlink()
            return self._ask(url)
        if not response.ok:
            response.close()
        response.raise_for_status()
        return response

    def _resume_from(self) -> int:
        """Return the bytes to keep: none unless the server gave a mark by which it can tell its file is the same."""
        if not (self.part.exists() and self._mark.exists()):
            return 0
        return self.part.stat().st_size

    def _receive(self, response: requests.Response) -> None:
        resumed = response.status_code == requests.codes.partial_content
        start = self.part.stat().st_size if resumed else 0
        self._remember(response)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        bar = tqdm(
            total=total,
            initial=start,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            disable=None,
            desc=self._target.name,
        )
        with bar, self.part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))

    def _remember(self, response: requests.Response) -> None:
        """Note the server's mark of this version of the file; weak marks do not vouch for bytes (RFC 9110, 13.1.5)."""
        etag = response.headers.get("ETag", "")
        mark = response.headers.get("Last-Modified") if not etag or etag.startswith("W/") else etag
        if mark:
            self._mark.write_text(mark)
        else:
            self._mark.unlink(missing_ok=True)
