"""Where things live on this machine when nobody says otherwise.

An environment variable wins, then ``data/`` of the checkout that the command runs in, then the user's own folders.
"""

import os
from pathlib import Path

import platformdirs

_APP = "genesem"


def data_dir() -> Path:
    """Return the folder of downloaded slides: ``$GENESEM_DATA``, ``data/`` in a checkout, or the user's data folder."""
    if found := os.environ.get("GENESEM_DATA"):
        return Path(found)
    return _checkout_data() or platformdirs.user_data_path(_APP)


def default_store() -> str:
    """Return the store to use when none is named: ``$GENESEM_STORE`` (a path or URL), else ``store`` in `data_dir`."""
    return os.environ.get("GENESEM_STORE") or str(data_dir() / "store")


def cache_dir() -> Path:
    """Return the folder for what can be made again: ``$GENESEM_CACHE`` or the user's cache folder."""
    found = os.environ.get("GENESEM_CACHE")
    return Path(found) if found else platformdirs.user_cache_path(_APP)


def _checkout_data() -> Path | None:
    """Return ``data/`` of the enclosing checkout of this project, if the working folder lies in one."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "packages" / "genesem-embed" / "pyproject.toml").exists():
            return folder / "data"
    return None
