"""`genesem-train ablate`: what each part is worth, on domains or on cells."""

from pathlib import Path
from typing import Annotated, Any

import typer

from genesem_train.cli.console import JsonFlag, SeedsOption, StoreOption, domain_counts, numbers, say, tell
from genesem_train.progress import FitProgress

_EXAMPLE = "Example: `genesem-train ablate --dataset demo --store vectors --seeds 0,1,2,3,4 --out ablations`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ablate", epilog=_EXAMPLE)(ablate)


def ablate(
    dataset: Annotated[str | None, typer.Option(help="A registered name, a slide, or cells as .h5ad or .csv.")] = None,
    store: StoreOption = None,
    preset: Annotated[
        str | None, typer.Option(help="Complete settings by name. [default: the data set's own, else default]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings in a TOML file, such as a result's config.toml.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="semst, or spatial2sentence on cells (also by --status-key, --group-key, ...).")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="faithful (the published method) or improved (decided by the slide).")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="semst or stagate.")] = None,
    tables: Annotated[
        str | None, typer.Option(help="Of fusion, semantics, encoder, top-genes, texts. [default: all]")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe of the collection to start from.")] = None,
    top_genes: Annotated[int | None, typer.Option(min=1, help="Genes per spot to start from.")] = None,
    n_domains: Annotated[str | None, typer.Option(help="Domains to find: a number, a range (4:12) or auto.")] = None,
    label_key: Annotated[
        str | None, typer.Option(help="Column of obs with the annotation, for scoring only; of cells: their type.")
    ] = None,
    status_key: Annotated[str | None, typer.Option(help="Column with the status of a patient (cells).")] = None,
    group_key: Annotated[str | None, typer.Option(help="Column with the patient (cells). [default: patient]")] = None,
    image_key: Annotated[str | None, typer.Option(help="Column with the image (cells). [default: image]")] = None,
    split: Annotated[str | None, typer.Option(help="patient, image or cell (cells). [default: patient]")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds (cells). [default: 5]")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Use so many cells, drawn at random; neighbours come from all (cells).")
    ] = None,
    seeds: SeedsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of a fit; of cells: at most so many.")] = None,
    space: Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="First characters of the collection to start from, where several fit.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
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
        given = {**of_cells, "label_key": label_key, "seeds": numbers(seeds), "space": space, "collection": collection}
        _ablate_cells(dataset, store, config, out, given, epochs, as_json)
        return

    from genesem_train.ablations import TABLES, run_domain_ablations, terminal_lines
    from genesem_train.config import resolve_config

    settings = resolve_config(dataset, preset=preset, path=config, mode=mode).with_values(method=method, mode=mode)
    settings = settings.with_values("data", label_key=label_key).with_domain_counts(*domain_counts(n_domains))
    settings = settings.with_values("model", backbone=backbone)
    settings = settings.with_values("training", seeds=numbers(seeds), epochs=epochs, device=device)
    settings = settings.with_values("semantics", recipe=recipe, space=space, collection=collection, top_genes=top_genes)
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
