"""`genesem-train builds`: the one build of cell sentences that a comparison still needs."""

from typing import Annotated, cast, get_args

import typer

from genesem_train.cli import options
from genesem_train.cli.console import JsonFlag, StoreOption, say

_EXAMPLE = "Example: `genesem-train builds --dataset cells.h5ad --store vectors --for ablations | sh`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("builds", epilog=_EXAMPLE)(builds)


def builds(
    dataset: options.Cells = None,
    store: StoreOption = None,
    purpose: Annotated[
        str, typer.Option("--for", help="ablations, or what an occlusion leaves out: markers, sections.")
    ] = "ablations",
    cells: Annotated[
        int | None, typer.Option(min=1, help="Texts of so many cells for an occlusion. [default: of all]")
    ] = None,
    config: options.Config = None,
    label_key: options.LabelKey = None,
    status_key: options.StatusKey = None,
    group_key: options.GroupKey = None,
    image_key: options.ImageKey = None,
    split: options.Split = None,
    folds: options.Folds = None,
    sample: options.Sample = None,
    space: options.Space = None,
    collection: options.Collection = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the `genesem-embed build` that stores every wording which ablations or occlusions of cells still lack."""
    from genesem_train.cells.builds import Purpose
    from genesem_train.cells.entry import builds_of_cells

    if purpose not in get_args(Purpose):
        msg = f"{purpose!r} is no comparison; expected one of {', '.join(get_args(Purpose))}"
        raise typer.BadParameter(msg, param_hint="--for")
    keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
    given = {**keys, "split": split, "folds": folds, "sample": sample, "space": space, "collection": collection}
    command = builds_of_cells(
        dataset, cast("Purpose", purpose), path=config, given=given, cells=cells, store_place=store
    )
    say({"build": command}, [command or "# nothing is missing"], as_json=as_json)
