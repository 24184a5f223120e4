"""Every exception that genesem-embed raises on purpose.

    GenesemError
    ├── InputError (ValueError)             a slide, table or file that cannot be used as it is
    ├── UnknownNameError (LookupError)      a data set, recipe, template, model or space nobody knows
    ├── DownloadError (OSError)             a source that did not deliver the promised bytes
    ├── MissingExtraError (ImportError)     an optional dependency that the command needs
    ├── ModelUnavailableError (OSError)     weights or tokenizer that cannot be had
    ├── EncodingError (ValueError)          a text or vector that cannot be encoded or stored
    │   └── TextsFailedError                some texts could not be encoded, all others are kept
    ├── InterruptedBuildError               Ctrl-C or SIGTERM, once the finished vectors are safe
    └── StoreError (OSError)                a store that cannot be used
        ├── NotAStoreError                  the place holds no store
        ├── StoreVersionError               written by a newer genesem
        ├── IntegrityError                  bytes that are not the ones published
        └── CollectionMissingError          nothing stored for this slide, recipe and space

A message is one line: what was wrong, what was found, what was expected, what to do next.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class GenesemError(Exception):
    """A problem that the user can mend; the command line prints it as one line and exits with 1."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class InputError(GenesemError, ValueError):
    """A slide, table or file that cannot be used as it is."""


class UnknownNameError(GenesemError, LookupError):
    """A data set, recipe, template, model or space that nobody knows."""


class DownloadError(GenesemError, OSError):
    """A source that did not deliver the promised bytes."""


class MissingExtraError(GenesemError, ImportError):
    """An optional dependency that the command needs is not installed."""


class ModelUnavailableError(GenesemError, OSError):
    """The weights or the tokenizer of a model cannot be had."""


class EncodingError(GenesemError, ValueError):
    """A text that cannot be encoded, or a vector that cannot be stored."""


@dataclass(frozen=True, kw_only=True)
class FailedText:
    """A text that could not be encoded, and why."""

    row: int
    """Its place among the texts that were asked for."""
    name: str
    """What to call it, such as ``text 3`` or ``spot AAACGG-1``."""
    words: str
    """How it begins, in quotes."""
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.words}) {self.why}"


class TextsFailedError(EncodingError):
    """Some texts could not be encoded; all others were, and are kept."""

    def __init__(self, message: str, failed: Sequence[FailedText]) -> None:
        super().__init__(message)
        self.failed = tuple(failed)


class InterruptedBuildError(GenesemError):
    """Ctrl-C or SIGTERM stopped a build, once the finished vectors were safe."""


class StoreError(GenesemError, OSError):
    """A store that cannot be used."""


class NotAStoreError(StoreError):
    """The place holds no store."""


class StoreVersionError(StoreError):
    """The store was written by a newer genesem."""


class IntegrityError(StoreError):
    """The bytes found are not the ones that were published."""


class CollectionMissingError(StoreError):
    """Nothing is stored for this slide, recipe and space."""
