"""Several copies of a model side by side, each in a thread of its own, taking the next batch when they are free."""

import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.memory import Budget, Result, run_within
from genesem_embed.encoders.packing import Ids, tree_batches
from genesem_embed.encoders.runners import Runner


def run_everywhere(
    runners: Sequence[Runner], ids: Sequence[Ids], spans: npt.NDArray[np.int64], budget: Budget
) -> Iterator[Result]:
    """Yield texts and their vectors from all `runners`, as they come; one runner works in this thread."""
    if len(runners) == 1:
        yield from run_within(runners[0], ids, spans, budget)
        return
    batches = iter(list(tree_batches(ids, budget.tokens, causal=runners[0].causal)))
    done: queue.Queue[Result | BaseException | None] = queue.Queue()
    taking, stop = threading.Lock(), threading.Event()

    def work(runner: Runner) -> None:
        try:
            while not stop.is_set():
                with taking:
                    rows = next(batches, None)
                if rows is None:
                    break
                for some, vectors in run_within(runner, [ids[row] for row in rows.tolist()], spans[rows], budget):
                    done.put((rows[some], vectors))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits, which raises it
            done.put(error)
        finally:
            done.put(None)

    with ThreadPoolExecutor(max_workers=len(runners)) as threads:
        for runner in runners:
            threads.submit(work, runner)
        try:
            yield from _collect(done, len(runners))
        finally:
            stop.set()


def _collect(done: "queue.Queue[Result | BaseException | None]", n_workers: int) -> Iterator[Result]:
    """Yield what the workers put, until all of them have finished or one has failed."""
    while n_workers:
        found = done.get()
        if found is None:
            n_workers -= 1
        elif isinstance(found, BaseException):
            raise found
        else:
            yield found
