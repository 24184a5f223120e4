"""What a recipe hands on: one user part per id, the system part they share, and the stamp that decides both."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """The texts of a slide before a model's own template is put around them."""

    unit: Literal["spot", "gene", "cell"]
    ids: list[str]
    users: list[str]
    """One user part per id."""
    system: str | None
    """Shared by all; None where the template has none."""
    recipe: dict[str, Any]
    """Everything that decides the texts, as plain JSON values."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What the user may want to know: counts by source, ids without text. Decides nothing."""
