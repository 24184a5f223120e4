"""`genesem-train ablate`: what each part is worth, on domains or on cells."""

from pathlib import Path
from typing import Annotated, Any

import typer

from genesem_train.cli import options
from genesem_train.cli.console import JsonFlag, StoreOption, numbers, refuse_given, say, tell
from genesem_train.cli.progress import FitProgress
from genesem_train.cli.settings import resolve_settings

_EXAMPLE = "Example: `genesem-train ablate --dataset demo --store vectors --seeds 0,1,2,3,4 --out ablations`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ablate", epilog=_EXAMPLE)(ablate)


def ablate(
    dataset: options.SlideOrCells = None,
    store: StoreOption = None,
    preset: options.Preset = None,
    config: options.Config = None,
    method: Annotated[
        str | None, typer.Option(help="semst, or spatial2sentence on cells (also by --status-key, --group-key, ...).")
    ] = None,
    mode: options.Mode = None,
    backbone: options.Backbone = None,
    clusterer: options.Clusterer = None,
    tables: Annotated[
        str | None, typer.Option(help="Of fusion, semantics, encoder, top-genes, texts. [default: all]")
    ] = None,
    recipe: options.Recipe = None,
    top_genes: options.TopGenes = None,
    n_domains: options.NDomains = None,
    label_key: options.LabelKey = None,
    status_key: options.StatusKey = None,
    group_key: options.GroupKey = None,
    image_key: options.ImageKey = None,
    split: options.Split = None,
    folds: options.Folds = None,
    sample: options.Sample = None,
    seeds: options.Seeds = None,
    epochs: options.Epochs = None,
    space: options.Space = None,
    collection: options.Collection = None,
    device: options.Device = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the tables. [default: results/NAME-ablations]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare fusions, semantics, encoders, numbers of genes and texts with no semantics at all; or wordings of cells.

    Every finished fit is kept in the folder: run again, it goes on where it was stopped.
    """
    from genesem_train.cells.config import wants_cells

    keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
    names = ("status_key", "group_key", "image_key")
    of_cells = {"split": split, "folds": folds, "sample": sample, **{name: keys[name] for name in names}}
    if wants_cells(method, config) or any(value is not None for value in of_cells.values()):
        refuse_given(
            "--method semst and none of the options of cells",
            {"--preset": preset, "--mode": mode, "--backbone": backbone, "--clusterer": clusterer, "--tables": tables}
            | {"--recipe": recipe, "--top-genes": top_genes, "--n-domains": n_domains, "--device": device},
        )
        given = {**of_cells, "label_key": label_key, "seeds": numbers(seeds), "space": space, "collection": collection}
        _ablate_cells(dataset, store, config, out, given, epochs, as_json)
        return

    settings = resolve_settings(
        dataset,
        preset,
        config,
        n_domains,
        {"method": method, "mode": mode},
        data={"label_key": label_key},
        model={"backbone": backbone},
        training={"seeds": numbers(seeds), "epochs": epochs, "device": device},
        domains={"clusterer": clusterer},
        semantics={"recipe": recipe, "space": space, "collection": collection, "top_genes": top_genes},
    )
    from genesem_train.ablations import TABLES, run_domain_ablations, terminal_lines

    wanted = TABLES if tables is None else tuple(name.strip() for name in tables.split(","))
    with FitProgress() as progress:
        found = run_domain_ablations(
            settings, store_place=store, out=out, tables=wanted, on_step=tell, on_epoch=progress.epoch
        )
    say(found, terminal_lines(found), as_json=as_json)


def _ablate_cells(
    dataset: str | None,
    store: str | None,
    config: Path | None,
    out: Path | None,
    given: dict[str, Any],
    epochs: int | None,
    as_json: bool,
) -> None:
    from genesem_train.cells.entry import ablate_cells
    from genesem_train.cells.terminal import ablation_lines

    found = ablate_cells(dataset, path=config, given=given, epochs=epochs, store_place=store, out=out, on_step=tell)
    say(found, ablation_lines(found), as_json=as_json)
