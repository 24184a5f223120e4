"""`genesem-train predict`: a fitted model on a new slide."""

from pathlib import Path
from typing import Annotated

import typer

from genesem_train.cli import options
from genesem_train.cli.console import JsonFlag, StoreOption, say

_EXAMPLE = "Example: `genesem-train predict --model results/slide --dataset new.h5ad --store vectors --out results/new`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("predict", epilog=_EXAMPLE)(predict)


def predict(
    model: Annotated[Path, typer.Option(help="Folder of a finished fit.")],
    dataset: options.Slide,
    store: StoreOption = None,
    label_key: options.LabelKey = None,
    counts_layer: options.CountsLayer = None,
    gene_symbols: options.GeneSymbols = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the result. [default: results/NAME-predicted]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the domains of a fitted model on a slide that it has not seen; genes are aligned, missing ones counted."""
    from genesem_train.cells.config import holds_cells

    if holds_cells(model):
        from genesem_train.cells.entry import predict_cells
        from genesem_train.cells.terminal import prediction_lines as lines_of_cells

        metrics, place = predict_cells(model, dataset, store_place=store, out=out, label_key=label_key)
        say(metrics, lines_of_cells(metrics, place), as_json=as_json)
        return

    from genesem_train.prediction.run import prediction_lines, run_predict

    result = run_predict(
        model,
        dataset,
        store_place=store,
        out=out,
        label_key=label_key,
        counts_layer=counts_layer,
        gene_symbols=gene_symbols,
    )
    say(result.metrics, prediction_lines(result), as_json=as_json)
