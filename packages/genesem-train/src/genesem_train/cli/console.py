"""How the command line speaks: results to stdout, progress to stderr, a problem in one line."""

import json
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from genesem_embed.datasets import GenesemError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Path or URL of the store. [default: $GENESEM_STORE, else data/store in a checkout]"),
]


class OneLineErrors(TyperGroup):
    """A command group that turns a problem into one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (click's own signature)
        """Run the command; with ``--debug`` let the traceback through."""
        warnings.showwarning = lambda message, *where: typer.echo(f"warning: {message}", err=True)
        try:
            with _terminate_as_interrupt():
                return super().invoke(ctx)
        except (GenesemError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            typer.echo(
                "error: interrupted; nothing half-written was left: run again (a fit goes on with --resume)", err=True
            )
        except Exception as error:  # our mistake, not the user's: still no traceback unless asked for
            if ctx.params.get("debug") or type(error).__module__.startswith(("click", "typer")):
                raise
            hint = "run again with --debug before the command and report it"
            typer.echo(f"error: unexpected {type(error).__name__}: {error}; {hint}", err=True)
        raise typer.Exit(1)


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM, which job schedulers send, as Ctrl-C: a fit keeps its checkpoint, nothing half-written is left."""
    if threading.current_thread() is not threading.main_thread():  # a library user drives the app and keeps the signals
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(result: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print `result` as one JSON object, or `lines` for a reader."""
    typer.echo(json.dumps(result, indent=2) if as_json else "\n".join(lines))


def domain_counts(text: str | None) -> tuple[int | None, tuple[int, ...] | None]:
    """Return the number of domains, or the numbers to choose from: 7, auto, or 4:12 with both ends."""
    if text is None:
        return None, None
    if text == "auto":
        from genesem_train.n_domains import CANDIDATES

        return None, CANDIDATES
    first, colon, last = text.partition(":")
    try:
        low, high = int(first), int(last) if colon else int(first)
    except ValueError:
        low, high = 0, 0
    if not 2 <= low <= high:
        msg = f"{text!r} is no number of domains; expected a whole number from 2, auto, or a range such as 4:12"
        raise typer.BadParameter(msg, param_hint="--n-domains")
    return (None, tuple(range(low, high + 1))) if colon else (low, None)


def refuse_given(belongs_to: str, given: Mapping[str, object]) -> None:
    """Raise ConfigError where an option was given that another kind of fit reads; `given` has them by name."""
    if unread := [name for name, value in given.items() if value is not None]:
        from genesem_train.errors import ConfigError

        msg = f"{', '.join(unread)} would not be read; expected only with {belongs_to}: add that, or leave it out"
        raise ConfigError(msg)


def tell(words: str) -> None:
    """Print what is being done to stderr."""
    typer.echo(words, err=True)


def numbers(text: str | None, option: str = "--seeds") -> tuple[int, ...] | None:
    """Return a list of whole numbers such as 0,1,2; None where none is given."""
    if text is None:
        return None
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 0 or len(set(found)) < len(found):
        msg = f"{text!r} is no list of different whole numbers from 0; expected such as 0,1,2"
        raise typer.BadParameter(msg, param_hint=option)
    return found
