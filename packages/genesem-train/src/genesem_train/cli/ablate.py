"""`genesem-train ablate`: what each part is worth."""

from pathlib import Path
from typing import Annotated

import typer

from genesem_train.cli.console import JsonFlag, SeedsOption, StoreOption, numbers, say, tell

_EXAMPLE = "Example: `genesem-train ablate --dataset cells.h5ad --store vectors --status-key outcome --out ablations`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ablate", epilog=_EXAMPLE)(ablate)


def ablate(
    dataset: Annotated[str | None, typer.Option(help="A registered name, or cells as .h5ad or .csv.")] = None,
    store: StoreOption = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings in a TOML file, such as a result's config.toml.")
    ] = None,
    label_key: Annotated[str | None, typer.Option(help="Column with the cell type. [default: cell_type]")] = None,
    status_key: Annotated[str | None, typer.Option(help="Column with the clinical status of a patient.")] = None,
    group_key: Annotated[str | None, typer.Option(help="Column with the patient. [default: patient]")] = None,
    image_key: Annotated[str | None, typer.Option(help="Column with the image. [default: image]")] = None,
    split: Annotated[str | None, typer.Option(help="patient, image or cell. [default: patient]")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds. [default: 5]")] = None,
    seeds: SeedsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs of the heads.")] = None,
    space: Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")] = None,
    collection: Annotated[str | None, typer.Option(help="First characters of the whole text's collection.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the tables. [default: results/NAME-ablations]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare every stored wording of the cells with the whole text, and name the builds that are missing."""
    from genesem_train.cells.entry import ablate_cells
    from genesem_train.cells.report import ablation_lines

    keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
    given = {**keys, "split": split, "folds": folds, "seeds": numbers(seeds), "space": space, "collection": collection}
    found = ablate_cells(dataset, path=config, given=given, epochs=epochs, store_place=store, out=out, on_step=tell)
    say(found, ablation_lines(found), as_json=as_json)
