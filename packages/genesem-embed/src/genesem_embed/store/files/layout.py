"""Names and places inside a store; the picture is in ``docs/store-format.md``."""

import re
from pathlib import Path

from genesem_embed.errors import InputError, NotAStoreError, StoreVersionError
from genesem_embed.store.files.canonical import canonical_json, parse_json

FORMAT = "genesem-store"
VERSION = 1

STORE_FILE = "store.json"
SPACES = "spaces"
SEGMENTS = "segments"
COLLECTIONS = "collections"
REFS = "refs"
TMP = "tmp"
HIDDEN = "gc"
"""Folder under ``tmp/`` where `gc` looks once more at what it is about to remove."""
INDEX = "index.duckdb"
FOLDERS = (SPACES, SEGMENTS, COLLECTIONS, REFS)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}")


def store_json() -> bytes:
    """Return the content of ``store.json``."""
    return canonical_json({"format": FORMAT, "version": VERSION})


def is_store(place: str | Path) -> bool:
    """Tell whether `place` is a folder with a ``store.json``."""
    return (Path(place) / STORE_FILE).is_file()


def check_store(root: Path) -> None:
    """Raise unless `root` is a store that this version can read.

    Raises
    ------
    NotAStoreError
        There is none; the message says how to make one.
    StoreVersionError
        A newer genesem wrote it.
    """
    path = root / STORE_FILE
    if not path.is_file():
        found = "a folder without store.json" if root.is_dir() else "a file" if root.exists() else "nothing"
        msg = f"no store at {root}: found {found}; make one with: genesem-embed build --store {root} --dataset NAME"
        raise NotAStoreError(msg)
    check_version(path.read_bytes(), str(path))


def check_version(data: bytes, what: str) -> None:
    """Raise unless `data` is a ``store.json`` that this version can read."""
    value = parse_json(data, what)
    version = value.get("version")
    if value.get("format") != FORMAT or not isinstance(version, int) or version < 1:
        msg = f'{what} does not describe a store: expected {{"format":"{FORMAT}","version":{VERSION}}}'
        raise NotAStoreError(msg)
    if version > VERSION:
        msg = f"{what} has format version {version}; this genesem reads up to {VERSION}: upgrade genesem-embed"
        raise StoreVersionError(msg)


def is_name(name: object) -> bool:
    """Tell whether `name` can name a collection or a ref: a plain word that no file system takes for a path."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> str:
    """Return `name`, or raise when it cannot name a `what`."""
    if not is_name(name):
        msg = f"{name!r} cannot name a {what}: use up to 120 letters, digits and . _ + -, a letter or digit first"
        raise InputError(msg)
    return name
