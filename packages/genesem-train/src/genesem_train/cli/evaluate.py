"""`genesem-train evaluate`: the scores of finished domains against a column of labels."""

from pathlib import Path
from typing import Annotated

import typer

from genesem_train.cli.console import JsonFlag, say

_EXAMPLE = "Example: `genesem-train evaluate --result results/slide --label-key region`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("evaluate", epilog=_EXAMPLE)(evaluate)


def evaluate(
    result: Annotated[Path, typer.Option(help="A result.h5ad, the folder of a fit, or any h5ad with both columns.")],
    label_key: Annotated[str, typer.Option(help="Column of obs with the annotation.")],
    domain_key: Annotated[str, typer.Option(help="Column of obs with the domains.")] = "domain",
    as_json: JsonFlag = False,
) -> None:
    """Score domains against labels: ARI, NMI, accuracy and F1, 0 to 100; nothing is fitted."""
    from genesem_train.cells.config import holds_cells

    if holds_cells(result):
        from genesem_train.cells.evaluate import evaluate_cells
        from genesem_train.cells.terminal import evaluation_lines as lines_of_cells

        scored = evaluate_cells(result, label_key=label_key)
        say(scored, lines_of_cells(scored), as_json=as_json)
        return

    from genesem_train.scores.evaluation import evaluate_result, evaluation_lines

    found = evaluate_result(result, label_key, domain_key=domain_key)
    say(found, evaluation_lines(found), as_json=as_json)
