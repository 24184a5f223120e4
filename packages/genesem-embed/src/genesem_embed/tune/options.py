"""What a fit is told, and what it tells."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The settings of a fit."""

    rank: int = 16
    alpha: int = 32
    """Scale of the adapter over its rank."""
    dropout: float = 0.0
    epochs: int = 1
    batch_texts: int = 8
    learning_rate: float = 2e-4
    seed: int = 0
    checkpoint_steps: int = 50
    resume: bool = False


@dataclass(frozen=True, kw_only=True)
class TuneReport:
    """What a fit did."""

    n_texts: int
    n_steps: int
    first_loss: float
    last_loss: float
    """Both are means over a tenth of the steps, at least one."""
    adapter_sha256: str

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return asdict(self)
