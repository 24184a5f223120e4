"""Texts spread over Ray actors, each with a model of its own.

Where all actors see the store, each publishes its own segments, and no vector passes through the network; the driver
publishes the collection. Elsewhere the actors hand vectors to the driver, which publishes them as for every encoder.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.actors import Actors, Rows
from genesem_embed.encoders.model import Model
from genesem_embed.encoders.problems import texts_failed
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.errors import FailedText, InputError, StoreError, TextsFailedError
from genesem_embed.store.files.disk import staging
from genesem_embed.store.space import Space

if TYPE_CHECKING:
    from genesem_embed.store import Store

Writers = Literal["auto", "actors", "driver"]

_SHARD_TEXTS = 256
_SEGMENT_TEXTS = 4096
_PARTS_AN_ACTOR = 4
_TOKEN = "seen-by-actors"


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
        Texts that one actor takes at a time, and the most that its death can cost; by default 256, and up to 4096
        where actors publish, whose shards become segments.
    writers
        Who publishes segments: the ``actors``, the ``driver``, or ``auto``: the actors where all of them see the store.
    """

    def __init__(
        self,
        model: Model,
        *,
        address: str | None = None,
        n_actors: int | None = None,
        batch_tokens: int | None = None,
        shard_texts: int | None = None,
        writers: Writers = "auto",
    ) -> None:
        self._model = model
        self._shard_texts = shard_texts
        self._wanted = writers
        self._writers = "driver"
        self._actors = Actors(
            _Worker, model, batch_tokens, address=address, on_gpu=model.device == "cuda", n_actors=n_actors
        )

    @property
    def space(self) -> Space:
        """The space of the vectors."""
        return self._model.space

    @property
    def device(self) -> str:
        """How many actors there are, and on what."""
        return f"ray, {len(self.actors)} actors on {self._model.device}"

    @property
    def facts(self) -> dict[str, object]:
        """Who publishes, and how many actors died; each actor's own facts are in its segments' provenance."""
        return {"writers": self._writers, "actors_lost": self._actors.n_lost}

    @property
    def actors(self) -> list[Any]:
        """The handles of the actors."""
        return list(self._actors.handles)

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield the vectors shard by shard, as they come; texts that fail are told at the end.

        Raises
        ------
        TextsFailedError
            Some texts could not be encoded.
        ModelUnavailableError
            Actors keep dying.
        """
        failed: list[FailedText] = []
        found = self._actors.over(
            self._shards(texts, self._shard_texts or _SHARD_TEXTS),
            lambda actor, rows: actor.encode.remote([texts[row] for row in rows.tolist()]),
            lambda rows: rows,
        )
        for rows, (batches, bad) in found:
            failed += _renumbered(bad, rows)
            for batch in batches:
                yield replace(batch, rows=rows[batch.rows])
        if failed:
            raise texts_failed(failed)

    def publishes_into(self, store: "Store") -> bool:
        """Tell whether the actors are to publish into `store`: all of them read what the driver just wrote there.

        Raises
        ------
        InputError
            The actors should, but some do not see the store.
        """
        if self._wanted == "driver":
            return False
        n_seeing = self._n_seeing(store)
        if n_seeing == len(self.actors):
            self._writers = "actors"
        elif self._wanted == "actors":
            msg = (
                f"{n_seeing} of {len(self.actors)} actors see the store at {store.root}; put it on a file system that "
                "all nodes share, or let the driver write: --writers driver"
            )
            raise InputError(msg)
        return self._writers == "actors"

    def _n_seeing(self, store: "Store") -> int:
        from genesem_embed.store import Store

        if type(store) is not Store:  # one at a URL is written through this machine's cache
            return 0
        with _token(store) as (folder, word):
            return sum(self._actors.ask_all("sees", str(folder), word))

    def publish(self, store: "Store", keys: npt.NDArray[np.uint8], texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the texts and tokens of each shard that an actor encoded and published.

        Raises
        ------
        TextsFailedError
            Some texts could not be encoded.
        ModelUnavailableError
            Actors keep dying.
        """
        failed: list[FailedText] = []
        even = -(-len(texts) // (_PARTS_AN_ACTOR * len(self.actors)))
        shards = self._shards(texts, self._shard_texts or min(max(even, _SHARD_TEXTS), _SEGMENT_TEXTS))
        with _token(store) as (folder, word):
            where = (str(store.root), str(folder), word)
            found = self._actors.over(
                shards,
                lambda actor, rows: actor.publish.remote(where, keys[rows], [texts[row] for row in rows.tolist()]),
                # An actor may have published its shard before it died.
                lambda rows: rows[store.missing(keys[rows])],
            )
            for rows, (n_texts, n_tokens, bad) in found:
                failed += _renumbered(bad, rows)
                yield n_texts, n_tokens
        if failed:
            raise texts_failed(failed)

    def _shards(self, texts: Sequence[str], size: int) -> list[Rows]:
        """Return shards of texts that begin alike, so that each actor computes equal beginnings once."""
        order = np.asarray(sorted(range(len(texts)), key=texts.__getitem__), dtype=np.intp)
        return [order[at : at + size] for at in range(0, len(order), size)]


class _Worker:
    """What runs in an actor: one encoder, loaded once."""

    def __init__(self, model: Model, batch_tokens: int | None) -> None:
        from genesem_embed.encoders.transformer import load_encoder

        self._encoder = load_encoder(model, batch_tokens=batch_tokens)

    def encode(self, texts: list[str]) -> tuple[list[EncodedBatch], list[FailedText]]:
        """Return what could be encoded, and what could not."""
        batches: list[EncodedBatch] = []
        try:
            batches.extend(self._encoder.encode(texts))
        except TextsFailedError as error:
            return batches, list(error.failed)
        return batches, []

    def sees(self, folder: str, word: str) -> bool:
        """Tell whether this actor's file system holds what the driver wrote."""
        try:
            return (Path(folder) / _TOKEN).read_text("utf-8") == word
        except OSError:
            return False

    def publish(
        self, where: tuple[str, str, str], keys: npt.NDArray[np.uint8], texts: list[str]
    ) -> tuple[int, int, list[FailedText]]:
        """Return how many texts and tokens were encoded and published, and which texts could not be."""
        from genesem_embed.segments import SegmentWriter
        from genesem_embed.store import Store

        root, folder, word = where
        if not self.sees(folder, word):  # a new actor may run on another machine than the one it replaces
            msg = f"an actor does not see the store at {root}; run again with --writers driver"
            raise StoreError(msg)
        failed: list[FailedText] = []
        with Store.open(root, mode="a") as store:
            segment = SegmentWriter(keys, texts, self._encoder, store)
            try:
                segment.fill()
            except TextsFailedError as error:
                failed = list(error.failed)
            segment.publish()
        return segment.n_done, segment.n_tokens, failed


@contextmanager
def _token(store: "Store") -> Iterator[tuple[Path, str]]:
    """Give a folder of `store` that holds a random word while the block runs."""
    word = secrets.token_hex()
    with staging(store.root) as folder:
        (folder / _TOKEN).write_text(word, "utf-8")
        yield folder, word


def _renumbered(failed: Sequence[FailedText], rows: Rows) -> list[FailedText]:
    """Return the failed texts of a shard under their places among all texts."""
    return [replace(one, row=int(rows[one.row]), name=f"text {rows[one.row]}") for one in failed]
