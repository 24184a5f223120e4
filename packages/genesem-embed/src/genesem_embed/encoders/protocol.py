"""What every encoder promises: texts in, vectors out, batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from genesem_embed.store.space import Space

if TYPE_CHECKING:
    from genesem_embed.store import Store


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
class Telling(Protocol):
    """An encoder that says how it computes: kernels, token budget, what batching was measured to move."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What provenance and the report of a build should hold, as plain JSON values."""
        ...


@runtime_checkable
class Publishing(Protocol):
    """An encoder whose workers, on whatever machine, can publish segments themselves."""

    def publishes_into(self, store: "Store") -> bool:
        """Tell whether all workers see `store`, and are to write to it."""
        ...

    def publish(self, store: "Store", keys: npt.NDArray[np.uint8], texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield the texts and tokens of each part that was encoded and published.

        Raises
        ------
        TextsFailedError
            Some texts could not be encoded. All the others have been published before.
        """
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
        TextsFailedError
            Some texts could not be encoded. All the others have been yielded before.
        """
        ...
