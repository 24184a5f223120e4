"""What a report is drawn from: the values of one finished fit, whichever method made them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Real

if TYPE_CHECKING:
    import pandas as pd

    from genesem_train.markers import Markers


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """One finished fit; what a method has not is None or empty, and its figure is left out."""

    name: str
    """Of the slide, as a reader would call it."""
    coords: Real[np.ndarray, "spot 2"]
    """Image coordinates: x to the right, y down; several slides side by side."""
    domains: Int[np.ndarray, " spot"]
    """The consensus over seeds, or the one labelling there is."""
    latent: Float[np.ndarray, "spot dim"]
    metrics: Mapping[str, Any]
    """As `metrics.json` has them."""
    config: Mapping[str, Any]
    """Fully resolved, as `config.toml` has it."""
    annotation: "pd.Categorical[Any] | None" = None
    confidence: Float[np.ndarray, " spot"] | None = None
    """Share of the seeds that agree with the consensus, 0 to 1."""
    seed_domains: Mapping[int, Int[np.ndarray, " spot"]] = field(default_factory=dict)
    losses: Mapping[int, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    """Loss terms per seed, one value an epoch."""
    alpha: Float[np.ndarray, "..."] | None = None
    """Scale that the semantics put on the latent, all dimensions of a sample of spots."""
    beta: Float[np.ndarray, "..."] | None = None
    """Shift that the semantics put on the latent."""
    baselines: Mapping[str, Int[np.ndarray, " spot"]] = field(default_factory=dict)
    slides: Mapping[str, Int[np.ndarray, " member"]] = field(default_factory=dict)
    """Which spots are of which slide, where there are several."""
    markers: "Markers | None" = None
    """The genes that set each domain apart."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Further facts about the slide for the page, in their order."""
