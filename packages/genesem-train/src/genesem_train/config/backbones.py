"""The names that `--backbone` takes, known without loading torch."""

from importlib import resources


def list_backbones() -> list[str]:
    """Return the names of the networks: the files of ``models/backbones/``."""
    folder = resources.files("genesem_train") / "models" / "backbones"
    names = [entry.name.removesuffix(".py") for entry in folder.iterdir() if entry.name.endswith(".py")]
    return sorted(name for name in names if not name.startswith("_"))
