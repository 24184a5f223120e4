"""The `genesem-embed` command: its groups of sub-commands and the options that all of them share."""

from typing import Annotated

import typer

from genesem_embed import __version__
from genesem_embed.cli import build, datasets, examples, models, share, store, upkeep
from genesem_embed.cli.console import OneLineErrors

app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Build language-model vectors of gene texts once, and keep them in a store that labs can share.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"genesem-embed {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a problem.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a sub-command."""


build.register(app)
store.register(app)
share.register(app)
upkeep.register(app)
datasets.register(app)
examples.register(app)
models.register(app)


def main() -> None:
    """Run the command line."""
    app()
