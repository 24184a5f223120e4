"""How far a number could move with other patients or other seeds: bootstrap intervals, means and deviations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

N_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number and its 95 % interval over units drawn with replacement."""

    value: float
    low: float
    high: float


def draw_units(n_units: int, seed: int = 0, n_draws: int = N_DRAWS) -> Int[np.ndarray, "draw unit"]:
    """Return how often each unit appears in each draw with replacement; the same draws for the same number."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_draws)


def interval(value: float, draws: Float[np.ndarray, " draw"]) -> Interval:
    """Return `value` with the middle 95 % of its draws."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high))


def mean_difference(ours: Sequence[float], theirs: Sequence[float]) -> Interval | None:
    """Return the mean of pairwise differences with its interval over pairs; None where one pair says nothing of it.

    The percentile interval is too narrow over a handful of pairs: of normal differences it holds the true mean in 75,
    84 and 90 % of samples of 3, 5 and 10.
    """
    gaps = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    if len(gaps) < 2:
        return None
    return interval(float(gaps.mean()), draw_units(len(gaps), n_draws=10 * N_DRAWS) @ gaps / len(gaps))


def mean_and_sd(rows: Sequence[dict[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return mean and sample standard deviation of each score; no deviation of a single row."""
    values = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    mean = {name: float(column.mean()) for name, column in values.items()}
    sd = {name: float(column.std(ddof=1)) for name, column in values.items()} if len(rows) > 1 else {}
    return mean, sd
