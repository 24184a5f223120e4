"""Every exception that genesem-train raises on purpose.

    TrainError (GenesemError)
    ├── ConfigError (ValueError)       a setting, preset or config file that cannot be used
    ├── SlideMismatchError (ValueError) the slide is not the one that the collection was built from
    ├── OutputError (OSError)          a result that cannot be written
    └── TrainingError (ArithmeticError) training left the finite numbers

A message is one line: what was wrong, what was found, what was expected, what to do next.
"""

from genesem_embed.datasets import GenesemError


class TrainError(GenesemError):
    """A problem that the user can mend; the command line prints it as one line and exits with 1."""


class ConfigError(TrainError, ValueError):
    """A setting, preset or config file that cannot be used."""


class SlideMismatchError(TrainError, ValueError):
    """The slide is not the one that the collection was built from."""


class OutputError(TrainError, OSError):
    """A result cannot be written where it was asked for."""


class TrainingError(TrainError, ArithmeticError):
    """Training left the finite numbers."""
