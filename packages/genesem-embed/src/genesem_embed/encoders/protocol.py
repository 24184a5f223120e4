"""What every encoder promises: texts in, vectors out, batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from genesem_embed.store.space import Space


@dataclass(frozen=True, kw_only=True)
class EncodedBatch:
    """Some of the texts, encoded."""

    rows: npt.NDArray[np.intp]
    """Positions in the texts that were asked for."""
    vectors: npt.NDArray[np.float32]
    """(row, dim)"""
    n_tokens: npt.NDArray[np.int32]
    """Tokens of each text, special ones included."""


class Described(Protocol):
    """What is known of a model before it is loaded."""

    @property
    def space(self) -> Space:
        """The space that its vectors would be in."""
        ...

    def render(self, system: str | None, user: str) -> str:
        """Return the text of a prompt."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of tokens of every text."""
        ...


@runtime_checkable
class Measured(Protocol):
    """An encoder that has compared vectors of a batch with those of its texts alone."""

    @property
    def exactness(self) -> Mapping[str, float]:
        """What was measured; empty before the first batch of several texts."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors of one space."""

    @property
    def space(self) -> Space:
        """The space of the vectors."""
        ...

    @property
    def device(self) -> str:
        """What it runs on, for provenance."""
        ...

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield every text once, in an order of the encoder's choice.

        Raises
        ------
        EncodingError
            Some texts could not be encoded. All the others have been yielded before.
        """
        ...
