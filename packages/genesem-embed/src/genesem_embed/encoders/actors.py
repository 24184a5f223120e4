"""Work spread over Ray actors: each takes the next part when it is free; the part of one that dies is done again."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import MissingExtraError, ModelUnavailableError

_LOSSES = 5
"""Actors that may die before the run is given up."""

Rows = npt.NDArray[np.intp]


class Actors:
    """Equal actors on a Ray cluster, or on this machine where neither `address` nor ``$RAY_ADDRESS`` names one.

    Parameters
    ----------
    start
        The class that runs in an actor, and what to make it with.
    on_gpu
        Each actor has a GPU of its own.
    n_actors
        By default one for every GPU of the cluster, or one on the CPU.
    """

    def __init__(
        self, start: type, *arguments: object, address: str | None, on_gpu: bool, n_actors: int | None = None
    ) -> None:
        try:
            import ray
        except ImportError:
            msg = 'the engine ray needs: pip install "genesem-embed[ray]"'
            raise MissingExtraError(msg) from None
        self._ray: Any = ray
        if not self._ray.is_initialized():
            # Told nothing, Ray would wait for whatever cluster last ran on this machine.
            where = address or os.environ.get("RAY_ADDRESS") or "local"
            own = {"include_dashboard": False} if where == "local" else {}
            self._ray.init(address=where, log_to_driver=False, **own)
        gpus = int(self._ray.cluster_resources().get("GPU", 0)) if on_gpu else 1
        kind: Any = self._ray.remote(num_gpus=1 if on_gpu else 0, num_cpus=1, max_restarts=0)(start)
        self._start: Callable[[], Any] = lambda: kind.remote(*arguments)
        self.handles = [self._start() for _ in range(n_actors or max(gpus, 1))]
        self.n_lost = 0

    def ask_all(self, method: str, *arguments: object) -> list[Any]:
        """Return what every actor answers."""
        return list(self._ray.get([getattr(actor, method).remote(*arguments) for actor in self.handles]))

    def over(
        self, parts: list[Rows], submit: Callable[[Any, Rows], Any], again: Callable[[Rows], Rows]
    ) -> Iterator[tuple[Rows, Any]]:
        """Yield every part with its result, as they come.

        Parameters
        ----------
        submit
            Hands a part to an actor.
        again
            Gives what is left to do of a part whose actor died.

        Raises
        ------
        ModelUnavailableError
            Actors keep dying.
        """
        waiting, idle = parts[::-1], list(self.handles)
        running: dict[Any, tuple[Any, Rows]] = {}
        while waiting or running:
            while waiting and idle:
                actor, rows = idle.pop(), waiting.pop()
                running[submit(actor, rows)] = (actor, rows)
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            actor, rows = running.pop(done)
            try:
                found = self._ray.get(done)
            except self._ray.exceptions.RayActorError as error:
                idle.append(self._replaced(actor, error))
                if len(left := again(rows)):
                    waiting.append(left)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from None  # what the actor raised
            else:
                idle.append(actor)
                yield rows, found

    def _replaced(self, actor: Any, error: Exception) -> Any:  # noqa: ANN401 - Ray's handles have no type
        """Return a new actor in the place of a dead one."""
        self.n_lost += 1
        if self.n_lost > _LOSSES:
            msg = f"{self.n_lost} actors died, the last by: {str(error).splitlines()[0]}; every finished vector is kept"
            raise ModelUnavailableError(msg)
        fresh = self._start()
        self.handles[self.handles.index(actor)] = fresh
        return fresh
