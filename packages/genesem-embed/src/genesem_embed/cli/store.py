"""`genesem-embed info | ls | query | verify`: looking at a store."""

from typing import Annotated

import typer

from genesem_embed.cli.console import JsonFlag, StoreOption, say


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("info", epilog="Example: `genesem-embed info --store vectors`")(info)
    app.command("ls", epilog="Example: `genesem-embed ls --store vectors`")(list_contents)
    app.command("query", epilog='Example: `genesem-embed query "SELECT count(*) FROM vectors"`')(query)
    app.command("verify", epilog="Example: `genesem-embed verify --store vectors --quick`")(verify)
