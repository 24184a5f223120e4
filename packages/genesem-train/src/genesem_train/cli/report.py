"""`genesem-train report`: the figures and the page of a result, made again."""

from pathlib import Path
from typing import Annotated

import typer

from genesem_train.cli.console import JsonFlag, say

_EXAMPLE = "Example: `genesem-train report --result results/slide`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report", epilog=_EXAMPLE)(report)


def report(
    result: Annotated[Path, typer.Option(help="Folder of a finished fit, or of a prediction of domains.")],
    as_json: JsonFlag = False,
) -> None:
    """Make figures and report.html of a result again, without fitting anything."""
    from genesem_train.cells.config import holds_cells

    if holds_cells(result):
        from genesem_train.cells.page import rewrite_page as remake_report
    else:
        from genesem_train.report.stored import remake_report

    page = remake_report(result)
    figures = sorted(path.name for path in (result / "figures").iterdir())
    say({"report": str(page), "figures": figures}, [f"report: {page}"], as_json=as_json)
