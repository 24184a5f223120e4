"""`genesem-embed examples`: cells as questions and answers, for fine-tuning here or elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genesem_embed.cli.console import JsonFlag, say

if TYPE_CHECKING:
    from anndata import AnnData

    from genesem_embed.texts import TokenBudget

_EXAMPLE = (
    "Example: `genesem-embed examples --dataset cells.h5ad --label-key cell_type --cells fold=0 --out cells.parquet`"
)
_TURN_TOKENS = 8
"""Room for the marks that end an answer."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("examples", epilog=_EXAMPLE)(examples)


def examples(
    dataset: Annotated[str, typer.Option("--dataset", help="A registered name, or cells as .h5ad or .csv.")],
    out: Annotated[
        Path, typer.Option("--out", help="FILE.parquet, FILE.jsonl, or a new folder for `datasets.load_from_disk`.")
    ],
    label_key: Annotated[str | None, typer.Option(help="Column with the cell type, to ask for it.")] = None,
    status_key: Annotated[str | None, typer.Option(help="Column with the clinical status, to ask for it.")] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option(
            "--cells",
            metavar="NAME=VALUE",
            help="Option of cell-sentences as in `build`, repeatable. fold=0 marks the rows of its test cells, which "
            "`tune` leaves out.",
        ),
    ] = None,
    template: Annotated[str, typer.Option(help="Wording.")] = "context",
    model: Annotated[
        str | None, typer.Option(help="Drop sentences until question and answer fit this model. [default: drop none]")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write cell sentences with questions and answers, one row a cell and task, as `tune` and cell2sentence take them.

    Columns: cell_name, cell_sentence, sample_type, model_input, response; image, patient, split, the neighbours with
    their distances, and the hash of the recipe.
    """
    from genesem_embed.datasets import load_slide
    from genesem_embed.texts import RecipeOptions, export_cells, load_template, parse_cell_options

    slide = load_slide(dataset, kind="markers")
    options = RecipeOptions(cells=parse_cell_options(cells or ()), budget=_budget(model, slide, label_key, status_key))
    keys = {"label_key": label_key, "status_key": status_key}
    n_rows = export_cells(slide, options, load_template("cell-sentences", template), out, **keys)
    lines = [f"{n_rows} rows in {out}"]
    if options.cells.fold is None:
        lines.append("note: no fold was named (--cells fold=0), so every row is for training; score on other cells")
    say({"rows": n_rows, "out": str(out)}, lines, as_json=as_json)


def _budget(model: str | None, slide: "AnnData", label_key: str | None, status_key: str | None) -> "TokenBudget | None":
    """Return how long a question `model` takes beside its longest answer."""
    if model is None:
        return None
    from genesem_embed.datasets import labels
    from genesem_embed.encoders.model import describe_model
    from genesem_embed.texts import TokenBudget

    described = describe_model(model)
    answers = [str(name) for key in (label_key, status_key) if key for name in labels(slide, key).categories]
    longest = int(described.count_tokens(answers).max()) if answers else 0
    return TokenBudget(
        max_tokens=described.space.max_tokens - longest - _TURN_TOKENS,
        count=lambda system, users: described.count_tokens(
            [described.render(None, f"{system}\n{user}") for user in users]
        ),
    )
