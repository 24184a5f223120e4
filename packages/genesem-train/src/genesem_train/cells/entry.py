"""From what a user names to a comparison: cells, store, and a file's settings under those of the command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genesem_embed.datasets import load_slide
from genesem_embed.store import Store, default_store
from genesem_train.cells.ablate import ABLATIONS, run_ablations
from genesem_train.cells.builds import Purpose, missing_changes, occlusion_changes, one_build
from genesem_train.cells.config import CellsConfig, read_settings
from genesem_train.cells.methods import OnStep
from genesem_train.cells.plan import make_plan
from genesem_train.cells.predict import load_fitted, predict_slide
from genesem_train.cells.results import CellsResult
from genesem_train.cells.run import run_cells
from genesem_train.config import build_settings
from genesem_train.errors import ConfigError
from genesem_train.training.parallel import refuse_several


def fit_cells(
    dataset: str | None,
    *,
    path: Path | None = None,
    given: Mapping[str, object],
    epochs: int | None = None,
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
    epochs
        At most so many epochs of the heads.

    Raises
    ------
    GenesemError
        On any input, setting or store that cannot be used; nothing is written then.
    """
    refuse_several("a fit of cells")
    named, config = resolve_cells(dataset, path, given, epochs)
    slide = load_slide(named, kind="markers")
    out = out or Path("results") / str(slide.uns["genesem"]["name"])
    with Store.open(store_place or default_store()) as store:
        return run_cells(slide, config, store=store, out=out, dataset=named, on_step=on_step)


def ablate_cells(
    dataset: str | None,
    *,
    path: Path | None = None,
    given: Mapping[str, object],
    epochs: int | None = None,
    store_place: str | None = None,
    out: Path | None = None,
    on_step: OnStep = lambda words: None,
) -> dict[str, Any]:
    """Return the comparison of all stored wordings of the cells of `dataset`; parameters as for `fit_cells`."""
    named, config = resolve_cells(dataset, path, given, epochs)
    slide = load_slide(named, kind="markers")
    out = out or Path("results") / f"{slide.uns['genesem']['name']}-ablations"
    with Store.open(store_place or default_store()) as store:
        return run_ablations(slide, config, store=store, out=out, dataset=named, on_step=on_step)


def builds_of_cells(
    dataset: str | None,
    purpose: Purpose,
    *,
    path: Path | None = None,
    given: Mapping[str, object],
    cells: int | None = None,
    store_place: str | None = None,
) -> str | None:
    """Return the one build that stores what ablations or occlusions of `dataset` still lack; None where nothing is.

    Parameters
    ----------
    cells
        Texts of so many cells are enough for an occlusion; None is all of them.
    """
    named, config = resolve_cells(dataset, path, given)
    slide = load_slide(named, kind="markers")
    with Store.open(store_place or default_store()) as store:
        plan = make_plan(slide, config, store, named)
        if purpose == "ablations":
            missing = missing_changes(plan, ABLATIONS, config.sample, config.split_seed)
        else:
            wanted = occlusion_changes(plan.chosen, purpose, cells)
            missing = missing_changes(plan, wanted, cells, config.split_seed)
        return one_build(store, named, plan, config, missing.values()) if missing else None


def resolve_cells(
    dataset: str | None, path: Path | None, given: Mapping[str, object], epochs: int | None = None
) -> tuple[str, CellsConfig]:
    """Return the name of the data set and its settings, those of the file under those that are given.

    Raises
    ------
    ConfigError
        When no data set is named, or a setting is unknown or wrong.
    """
    written = read_settings(path) if path else {}
    named = dataset or written.get("dataset")
    if not named:
        msg = "no data set is named; add --dataset NAME or FILE.h5ad"
        raise ConfigError(msg)
    values = {**written.get("cells", {}), **{name: value for name, value in given.items() if value is not None}}
    if epochs is not None:
        values["heads"] = {**values.get("heads", {}), "epochs": epochs}
    config: CellsConfig = build_settings(CellsConfig, values, str(path) if path else "the command line")
    return str(named), config


def predict_cells(
    model: Path,
    dataset: str,
    *,
    store_place: str | None = None,
    out: Path | None = None,
    label_key: str | None = None,
) -> tuple[dict[str, Any], Path]:
    """Return what the fit in the folder `model` says about the cells of `dataset`, and the folder it was written to.

    Raises
    ------
    GenesemError
        On a folder, cells or a store that cannot be used; nothing is written then.
    """
    fitted = load_fitted(model)
    slide = load_slide(dataset, kind="markers")
    out = out or Path("results") / f"{slide.uns['genesem']['name']}-predicted"
    with Store.open(store_place or default_store()) as store:
        return predict_slide(slide, fitted, store=store, out=out, dataset=dataset, label_key=label_key), out
