"""What the user gave on the command line, laid over a preset or a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genesem_train.cli.console import domain_counts

if TYPE_CHECKING:
    from genesem_train.config import FitConfig

Given = Mapping[str, object]
"""Values by the name of their setting; None leaves what was there."""


def resolve_settings(
    dataset: str | None,
    preset: str | None,
    config: Path | None,
    n_domains: str | None,
    given: Given,
    **sections: Given,
) -> "FitConfig":
    """Return the settings of a preset or a file with those of the command line on top.

    Parameters
    ----------
    given
        Settings that stand above the sections.
    sections
        Settings of a section, by its name.

    Raises
    ------
    ConfigError
        On a preset, file or value that cannot be.
    """
    from genesem_train.config import resolve_config

    kind = _kind(given.get("mode"), sections["model"].get("backbone"))
    settings = resolve_config(dataset, preset=preset, path=config, kind=kind)
    settings = settings.with_values(None, **given)
    for section, values in sections.items():
        settings = settings.with_values(section, **values)
    return settings.with_domain_counts(*domain_counts(n_domains))


def _kind(mode: object, backbone: object) -> str | None:
    """Return the preset of the kind of fit that was asked for, where it is not the published SemST."""
    if mode == "improved":
        return "improved"
    from genesem_train.config import list_presets

    return str(backbone) if backbone in list_presets() else None
