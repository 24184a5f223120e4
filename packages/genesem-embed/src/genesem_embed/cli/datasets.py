"""`genesem-embed datasets`: what is registered, what is known of it, and fetching it."""

from dataclasses import asdict
from typing import Annotated

import typer

from genesem_embed.cli.console import JsonFlag, say

_Name = Annotated[str, typer.Argument(help="A registered name; `datasets list` shows them.")]


def register(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(no_args_is_help=True, help="List, describe and fetch the registered slides.")
    group.command("list", epilog="Example: `genesem-embed datasets list`")(list_all)
    group.command("show", epilog="Example: `genesem-embed datasets show hbc`")(show)
    group.command("fetch", epilog="Example: `genesem-embed datasets fetch demo`")(fetch)
    app.add_typer(group, name="datasets")


def list_all(as_json: JsonFlag = False) -> None:
    """List the registered slides."""
    from genesem_embed.datasets import list_datasets

    found = list_datasets()
    lines = [f"{entry.name:<16} {entry.organism:<6} {entry.technology:<22} {entry.title}" for entry in found]
    say({"datasets": [asdict(entry) for entry in found]}, lines, as_json=as_json)


def show(name: _Name, as_json: JsonFlag = False) -> None:
    """Show source, licence, citation and files of one slide."""
    from genesem_embed.datasets import find_dataset

    entry = asdict(find_dataset(name))
    lines = [f"{key + ':':<14} {value}" for key, value in entry.items() if value not in (None, "", ())]
    say(entry, lines, as_json=as_json)


def fetch(name: _Name, as_json: JsonFlag = False) -> None:
    """Download one slide, or make it if it is simulated; a slide that is there already is not fetched again."""
    from genesem_embed.datasets import fetch_dataset, find_dataset

    path = fetch_dataset(find_dataset(name))
    say({"name": name, "path": str(path)}, [str(path)], as_json=as_json)
