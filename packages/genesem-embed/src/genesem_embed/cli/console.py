"""How the command line speaks: results to stdout, progress to stderr, a problem in one line."""

import json
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from genesem_embed.errors import GenesemError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Path or URL of the store. [default: $GENESEM_STORE, else data/store in a checkout]"),
]


class OneLineErrors(TyperGroup):
    """A command group that turns a problem into one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (click's own signature)
        """Run the command; with ``--debug`` let the traceback through."""
        warnings.showwarning = _one_line
        try:
            with _terminate_as_interrupt():
                return super().invoke(ctx)
        except (GenesemError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            said = str(error) if isinstance(error, GenesemError) else _os_problem(error)
            typer.echo(f"error: {said}", err=True)
        except KeyboardInterrupt:
            typer.echo("error: interrupted; nothing half-written was published: run the same command again", err=True)
        except Exception as error:  # our mistake, not the user's: still no traceback unless asked for
            if ctx.params.get("debug") or type(error).__module__.startswith(("click", "typer")):
                raise
            said = (
                f"unexpected {type(error).__name__}: {error}; run again with --debug before the command and report it"
            )
            typer.echo(f"error: {said}", err=True)
        raise typer.Exit(1)


def say(result: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    """Print `result` as one JSON object, or `lines` for a reader."""
    typer.echo(json.dumps(result, indent=2, default=str) if as_json else "\n".join(lines))


def _one_line(message: Warning | str, *where: object, **more: object) -> None:
    typer.echo(f"warning: {message}", err=True)


def columns(head: list[str], rows: list[list[Any]]) -> list[str]:
    """Return a table as lines: as wide as its widest cells, nothing cut off, one row a line."""
    if not rows:
        return []
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells),
    ]


def size(n_bytes: int) -> str:
    """Return a number of bytes as a reader writes it: 1.2 MiB."""
    value, unit = float(n_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def _os_problem(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}; nothing half-written was published. Free the cause and run again"


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM, which job schedulers send, as Ctrl-C, so that finished work is published."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: a library user drives the app and keeps the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
