"""The `genesem-train` command: its sub-commands and the options that all of them share."""

from typing import Annotated

import typer

from genesem_train import __version__
from genesem_train.cli import ablate, builds, evaluate, fit, predict, report
from genesem_train.cli.console import OneLineErrors

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Train spatial models on stored language-model vectors; no language model is loaded.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"genesem-train {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a problem.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a sub-command."""


fit.register(app)
predict.register(app)
evaluate.register(app)
report.register(app)
ablate.register(app)
builds.register(app)


def main() -> None:
    """Run the command line."""
    app()
