"""Texts spread over Ray actors, each with a model of its own; a shard whose actor dies is done again by another.

Actors give vectors back to the process that asked, which publishes them segment by segment as for every encoder: the
store is written by one process and needs no shared disk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.model import Model
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.errors import EncodingError, MissingExtraError, ModelUnavailableError
from genesem_embed.store.space import Space

_SHARD_TEXTS = 256
_LOSSES = 5
"""Actors that may die before the run is given up."""


class RayEncoder:
    """Encodes on a Ray cluster, or on this machine where no address is given.

    The model's folder lies at the same path on every node.

    Parameters
    ----------
    address
        Of a running cluster, such as ``ray://head:10001`` or ``auto``.
    n_actors
        Copies of the model; by default one for every GPU of the cluster, or one on the CPU.
    shard_texts
        Texts that one actor takes at a time, and the most that its death can cost.
    """

    def __init__(
        self,
        model: Model,
        *,
        address: str | None = None,
        n_actors: int | None = None,
        batch_tokens: int | None = None,
        shard_texts: int = _SHARD_TEXTS,
    ) -> None:
        try:
            import ray
        except ImportError:
            msg = 'the engine ray needs: pip install "genesem-embed[ray]"'
            raise MissingExtraError(msg) from None
        self._ray: Any = ray
        self._model = model
        self._batch_tokens = batch_tokens
        self._shard_texts = shard_texts
        if not self._ray.is_initialized():
            self._ray.init(address=address, log_to_driver=False, include_dashboard=False)
        self._gpus = 1 if model.device == "cuda" else 0
        self._n_actors = n_actors or max(int(self._ray.cluster_resources().get("GPU", 0)) if self._gpus else 1, 1)
        self._kind = self._ray.remote(num_gpus=self._gpus, num_cpus=1, max_restarts=0)(_Worker)
        self._actors = [self._start() for _ in range(self._n_actors)]

    @property
    def space(self) -> Space:
        """The space of the vectors."""
        return self._model.space

    @property
    def device(self) -> str:
        """How many actors there are, and on what."""
        return f"ray, {self._n_actors} actors on {'cuda' if self._gpus else 'cpu'}"

    @property
    def actors(self) -> list[Any]:
        """The handles of the actors."""
        return list(self._actors)

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield the vectors shard by shard, as they come; texts that fail are told at the end.

        Raises
        ------
        EncodingError
            Some texts could not be encoded.
        ModelUnavailableError
            Actors keep dying.
        """
        # Shards of texts that begin alike, so that each actor computes equal beginnings once.
        order = np.asarray(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.intp)
        waiting = [order[at : at + self._shard_texts] for at in range(0, len(order), self._shard_texts)][::-1]
        idle, problems, n_lost = list(self._actors), list[str](), 0
        running: dict[Any, tuple[Any, npt.NDArray[np.intp]]] = {}
        while waiting or running:
            while waiting and idle:
                actor, rows = idle.pop(), waiting.pop()
                running[actor.encode.remote([texts[row] for row in rows.tolist()])] = (actor, rows)
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            actor, rows = running.pop(done)
            try:
                batches, problem = self._ray.get(done)
            except self._ray.exceptions.RayActorError as error:
                n_lost += 1
                waiting.append(rows)
                idle.append(self._replaced(actor, n_lost, error))
                continue
            idle.append(actor)
            if problem:
                problems.append(problem)
            for batch in batches:
                yield replace(batch, rows=rows[batch.rows])
        if problems:
            raise EncodingError("; ".join(problems))

    def _start(self) -> Any:  # noqa: ANN401 - Ray's handles have no type
        return self._kind.remote(self._model, self._batch_tokens)

    def _replaced(self, actor: Any, n_lost: int, error: Exception) -> Any:  # noqa: ANN401 - as above
        """Return a new actor in the place of a dead one."""
        if n_lost > _LOSSES:
            msg = f"{n_lost} actors died, the last by: {str(error).splitlines()[0]}; every finished vector is kept"
            raise ModelUnavailableError(msg)
        fresh = self._start()
        self._actors[self._actors.index(actor)] = fresh
        return fresh


class _Worker:
    """What runs in an actor: one encoder, loaded once."""

    def __init__(self, model: Model, batch_tokens: int | None) -> None:
        from genesem_embed.encoders.transformer import load_encoder

        self._encoder = load_encoder(model, batch_tokens=batch_tokens)

    def encode(self, texts: list[str]) -> tuple[list[EncodedBatch], str]:
        """Return what could be encoded, and what is to be said of the rest."""
        batches: list[EncodedBatch] = []
        try:
            batches.extend(self._encoder.encode(texts))
        except EncodingError as error:
            return batches, str(error)
        return batches, ""
