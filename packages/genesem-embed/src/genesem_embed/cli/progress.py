"""The progress bar of an encoding run, on stderr: texts done, texts/s, tokens/s, time left."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


class EncodingProgress:
    """A bar that appears with the first `start` and closes with the block."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("encoding"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task: TaskID | None = None
        self._begun = 0.0
        self._texts = 0
        self._tokens = 0

    def __enter__(self) -> Self:
        """Return the progress; nothing is drawn yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bar as it stands."""
        if self._task is not None:
            self._bar.stop()

    def start(self, texts: int, tokens: int) -> None:
        """Draw the bar for `texts` texts."""
        self._bar.start()
        self._task = self._bar.add_task("encoding", total=texts, rate="loading the model")
        self._begun = time.perf_counter()

    def advance(self, texts: int, tokens: int) -> None:
        """Count `texts` texts of `tokens` tokens as done."""
        if self._task is None:
            return
        self._texts += texts
        self._tokens += tokens
        seconds = max(time.perf_counter() - self._begun, 1e-9)
        rate = f"{self._texts / seconds:.1f} texts/s  {self._tokens / seconds:,.0f} tokens/s"
        self._bar.update(self._task, advance=texts, rate=rate)
