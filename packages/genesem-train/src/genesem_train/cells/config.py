"""Every setting of a fit of cells, typed and complete; light to import, for the command line reads it."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from genesem_train.errors import ConfigError

METHOD = "spatial2sentence"

SplitBy = Literal["patient", "image", "cell"]
HeadKind = Literal["mlp", "linear"]
ClassWeights = Literal["none", "sqrt", "balanced"]


@dataclass(frozen=True, kw_only=True)
class HeadsConfig:
    """How the heads are built and fitted."""

    kind: HeadKind = "mlp"
    hidden: int = 128
    dropout: float = 0.2
    epochs: int = 60
    patience: int = 8
    batch: int = 512
    lr: float = 2e-3
    weight_decay: float = 1e-2
    type_weight: float = 1.0
    status_weight: float = 0.3
    class_weights: ClassWeights = "sqrt"
    attention: bool = True
    """Also pool the cells of a patient, and of an image, by attention; the mean is always there."""


@dataclass(frozen=True, kw_only=True)
class CellsConfig:
    """Which cells, which split, which stored sentences, which heads."""

    label_key: str = "cell_type"
    status_key: str | None = None
    group_key: str = "patient"
    image_key: str | None = None
    split: SplitBy = "patient"
    folds: int = 5
    split_seed: int = 0
    validation_share: float = 0.2
    seeds: tuple[int, ...] = (0, 1, 2)
    """Starts of the heads; the folds stay the same."""
    sample: int | None = None
    """Learn and test on so many cells only, drawn at random by `split_seed`; neighbours come from all cells."""
    neighbours: int = 10
    """Cells whose markers the neighbour baselines average."""
    space: str | None = None
    collection: str | None = None
    """First characters of a collection digest, where the store holds several sentence collections of the slide."""
    heads: HeadsConfig = field(default_factory=HeadsConfig)


def wants_cells(method: str | None, path: Path | None) -> bool:
    """Tell whether the method, named on the command line or else in a config file, is the one on cells."""
    return (method or (path and read_settings(path).get("method"))) == METHOD


def holds_cells(folder: Path) -> bool:
    """Tell whether `folder` is a result of the method on cells."""
    path = folder / "config.toml"
    return path.exists() and read_settings(path).get("method") == METHOD


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a TOML file, unchecked.

    Raises
    ------
    ConfigError
        When it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} cannot be read as a TOML config: {error}; a fit writes one as config.toml in its --out folder"
        raise ConfigError(msg) from error
