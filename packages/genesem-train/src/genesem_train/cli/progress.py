"""The progress bar of a fit, on stderr: seed, epoch, loss terms, epochs/s, time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class FitProgress:
    """One bar for all seeds; it appears with the first epoch and closes with the block."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        """Return the progress; nothing is drawn yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands."""
        if self._task is not None:
            self._bar.stop()

    def epoch(self, seed: int, done: int, total: int, losses: dict[str, float]) -> None:
        """Draw that `done` of `total` epochs over all seeds are done, `seed` being at work."""
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("fit", total=total, losses="")
        if done < total and time.perf_counter() - self._drawn < 0.1:  # drawing every epoch would cost more than it
            return
        self._drawn = time.perf_counter()
        terms = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        self._bar.update(
            self._task,
            completed=done,
            description=f"seed {seed}" if done < total else "scores and report",
            losses=terms,
        )
