"""The vectors of some texts, from an encoder to a segment of a store."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.protocol import EncodedBatch, Encoder, Telling
from genesem_embed.provenance import describe_run
from genesem_embed.store import Store

OnProgress = Callable[[int, int], None]
"""Called with the number of texts and of tokens that were just encoded."""


class SegmentWriter:
    """Encodes texts and publishes what is finished; what is finished stays, whatever stops the encoder.

    Parameters
    ----------
    keys
        (text, 32): the key of every text.
    """

    def __init__(self, keys: npt.NDArray[np.uint8], texts: Sequence[str], encoder: Encoder, store: Store) -> None:
        self._keys, self._texts, self._encoder, self._store = keys, texts, encoder, store
        self._done: list[EncodedBatch] = []
        self._seconds = 0.0

    @property
    def n_done(self) -> int:
        """Texts that have a vector."""
        return sum(len(batch.rows) for batch in self._done)

    @property
    def n_tokens(self) -> int:
        """Tokens of those texts."""
        return sum(int(batch.n_tokens.sum()) for batch in self._done)

    def fill(self, on_batch: OnProgress = lambda texts, tokens: None) -> None:
        """Encode the texts.

        Raises
        ------
        TextsFailedError
            Some texts could not be encoded; their rows count within these texts.
        """
        begun = time.perf_counter()
        try:
            for batch in self._encoder.encode(self._texts):
                self._done.append(batch)
                on_batch(len(batch.rows), int(batch.n_tokens.sum()))
        finally:
            self._seconds = time.perf_counter() - begun

    def publish(self) -> None:
        """Publish what is finished."""
        if not self.n_done:
            return
        order = np.concatenate([batch.rows for batch in self._done])
        run = describe_run(
            device=self._encoder.device, seconds=self._seconds, n_texts=len(order), n_tokens=self.n_tokens
        )
        if isinstance(self._encoder, Telling):
            run["encoder"] = dict(self._encoder.facts)
        self._store.publish_segment(
            self._encoder.space,
            self._keys[order],
            np.concatenate([batch.vectors for batch in self._done]),
            [self._texts[row] for row in order],
            np.concatenate([batch.n_tokens for batch in self._done]),
            run,
        )
