"""From what a user names to a comparison: cells, store, and a file's settings under those of the command line."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genesem_embed.datasets import load_slide
from genesem_embed.store import Store, default_store
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.methods import OnStep
from genesem_train.cells.results import CellsResult
from genesem_train.cells.run import run_cells
from genesem_train.config import build_settings
from genesem_train.errors import ConfigError


def fit_cells(
    dataset: str | None,
    *,
    path: Path | None = None,
    given: Mapping[str, object],
    store_place: str | None = None,
    out: Path | None = None,
    on_step: OnStep = lambda words: None,
) -> CellsResult:
    """Return the comparison of methods on the cells of `dataset`, having written it to `out`.

    Parameters
    ----------
    path
        A result's `config.toml`, whose settings hold where `given` has none.
    given
        Settings of `CellsConfig` by name; None leaves the file's or the default.

    Raises
    ------
    GenesemError
        On any input, setting or store that cannot be used; nothing is written then.
    """
    named, config = resolve_cells(dataset, path, given)
    slide = load_slide(named, kind="markers")
    out = out or Path("results") / str(slide.uns["genesem"]["name"])
    with Store.open(store_place or default_store()) as store:
        return run_cells(slide, config, store=store, out=out, dataset=named, on_step=on_step)


def resolve_cells(dataset: str | None, path: Path | None, given: Mapping[str, object]) -> tuple[str, CellsConfig]:
    """Return the name of the data set and its settings, those of the file under those that are given.

    Raises
    ------
    ConfigError
        When no data set is named, or a setting is unknown or wrong.
    """
    written = _read(path) if path else {}
    named = dataset or written.get("dataset")
    if not named:
        msg = "no data set is named; add --dataset NAME or FILE.h5ad"
        raise ConfigError(msg)
    values = {**written.get("cells", {}), **{name: value for name, value in given.items() if value is not None}}
    config: CellsConfig = build_settings(CellsConfig, values, str(path) if path else "the command line")
    return str(named), config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} cannot be read as a TOML config: {error}; a fit writes one as config.toml in its --out folder"
        raise ConfigError(msg) from error
