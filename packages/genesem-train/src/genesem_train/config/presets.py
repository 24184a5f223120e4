"""Where a fit's settings come from: a preset, a file, or what the registry says of the data set."""

import difflib
import tomllib
from importlib import resources
from pathlib import Path

from genesem_embed.datasets import find_dataset, is_registered
from genesem_train.config.fit_config import FitConfig
from genesem_train.errors import ConfigError


def list_presets() -> list[str]:
    """Return the names of the presets."""
    folder = resources.files("genesem_train") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_preset(name: str, dataset: str) -> FitConfig:
    """Return the preset `name` for `dataset`.

    Raises
    ------
    ConfigError
        When there is no such preset; the known ones are listed.
    """
    if name not in list_presets():
        near = difflib.get_close_matches(name, list_presets(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        msg = f"no preset is called {name!r}{hint}; known: {', '.join(list_presets())}"
        raise ConfigError(msg)
    text = (resources.files("genesem_train") / "presets" / f"{name}.toml").read_text("utf-8")
    values = {**tomllib.loads(text), "dataset": dataset, "preset": name}
    return FitConfig.from_mapping(values, where=f"preset {name}")


def load_config(path: Path, dataset: str | None) -> FitConfig:
    """Return the config in the TOML file `path`; a given `dataset` replaces all that it names.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} cannot be read as a TOML config: {error}; a fit writes one as config.toml in its --out folder"
        raise ConfigError(msg) from error
    values.setdefault("preset", path.name)
    if dataset is not None:
        values["dataset"] = dataset
        values.pop("more_datasets", None)
    if "dataset" not in values:
        msg = f"{path} names no dataset; add --dataset NAME or FILE.h5ad"
        raise ConfigError(msg)
    return FitConfig.from_mapping(values, where=str(path))


def resolve_config(
    dataset: str | None, *, preset: str | None = None, path: Path | None = None, kind: str | None = None
) -> FitConfig:
    """Return the config file's settings, or the preset's: the named one, `kind`, the data set's own, or ``default``.

    Parameters
    ----------
    kind
        Preset of a kind of fit, such as ``improved``: it suits any data set.

    Raises
    ------
    ConfigError
        When both a preset and a file are given, or no data set is named.
    """
    if path is not None and preset is not None:
        msg = "--preset and --config both give complete settings; take one of them"
        raise ConfigError(msg)
    if path is not None:
        return load_config(path, dataset)
    if dataset is None:
        msg = "no data set is named; add --dataset NAME or FILE.h5ad (genesem-embed datasets list shows the names)"
        raise ConfigError(msg)
    entry = find_dataset(dataset) if is_registered(dataset) else None
    own = entry.preset if entry else None
    config = load_preset(preset or kind or own or "default", dataset)
    if entry is None:
        return config
    resolution = "single-cell" if entry.resolution == "single-cell" else "spot-array"
    return config.with_values("data", label_key=entry.label_key, n_domains=entry.n_domains, resolution=resolution)
