"""Which versions computed a result."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("genesem-train", "genesem-embed", "torch", "numpy", "scipy", "scikit-learn", "scanpy", "anndata")


def versions() -> dict[str, str]:
    """Return the versions of what computed the result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
