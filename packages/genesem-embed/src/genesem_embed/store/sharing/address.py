"""What a URL names: a path on this machine, or objects of a service that obstore speaks to.

Credentials come from the standard environment variables of each service alone.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from genesem_embed.errors import MissingExtraError, StoreError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore

_SCHEMES = ("s3://", "gs://", "az://", "http://", "https://", "hf://")
_READ_ONLY = ("http://", "https://", "hf://")
_HUB = "https://huggingface.co"


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


def is_read_only(url: str) -> bool:
    """Tell whether a URL is that of a plain web server, which can be neither listed nor written to."""
    return url.startswith(_READ_ONLY)


def connect(url: str) -> "ObjectStore":
    """Return the objects under a URL; nothing is asked of the service yet."""
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
        msg = f"{url} cannot be opened: {first_line(error)}"
        raise StoreError(msg) from None
    return store


def _hugging_face(url: str) -> str:
    """Return the web address of ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``, at ``$HF_ENDPOINT`` if it is set."""
    parts = url.removeprefix("hf://").removeprefix("datasets/").split("/")
    if len(parts) < 2 or not all(parts):
        msg = f"{url} names no dataset; expected hf://datasets/OWNER/NAME[@REVISION][/FOLDER]"
        raise StoreError(msg)
    name, _, revision = parts[1].partition("@")
    hub = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
    return "/".join([hub, "datasets", parts[0], name, "resolve", revision or "main", *parts[2:]])


def _token() -> "ClientConfig":
    """Return the header of the Hugging Face token where the environment holds one."""
    token = os.environ.get("HF_TOKEN")
    return {"default_headers": {"Authorization": f"Bearer {token}"}} if token else {}


def first_line(error: Exception) -> str:
    """Return what an error says, cut to one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
