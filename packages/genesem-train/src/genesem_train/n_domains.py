"""How many domains there are, when nobody says: the number whose domains change least when there is one more or fewer.

After CellCharter's ClusterAutoK (Varrone et al. 2024): the slide is clustered several times for every number K; the
stability of K is the mean Fowlkes-Mallows index between labellings of different runs with K and with K - 1 or K + 1
domains; a good K is a peak of the curve. Two things differ: every run clusters its own random part of the spots by
k-means, and the others follow their nearest centre; and runs with K domains are compared with each other too, because
by its neighbours alone K + 1 can pass K where domains lie equally far apart. No label is known here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import KMeans
from sklearn.metrics import fowlkes_mallows_score

from genesem_train.errors import ConfigError

CANDIDATES = tuple(range(3, 16))
"""Two domains are nearly always found again, so the curve begins with three."""
N_RUNS = 6
SHARE = 0.8
STARTS = 3
MOST_SPOTS = 20_000
"""Of a run; more would change the curve by less than its spread."""


@dataclass(frozen=True, kw_only=True)
class StabilityCurve:
    """Stability of every number of domains tried."""

    n_domains: list[int]
    mean: list[float]
    """Mean Fowlkes-Mallows index over pairs of runs, 0 to 1."""
    sd: list[float]
    peaks: list[int]
    """Numbers more stable than one fewer and one more, the most stable first."""
    best: int
    """The first peak; where the curve has none, its highest point."""


def choose_n_domains(
    values: Float[np.ndarray, "spot dim"], candidates: Sequence[int] = CANDIDATES, *, seed: int = 0
) -> StabilityCurve:
    """Return the stability of every candidate number, and the best one.

    Raises
    ------
    ConfigError
        When the slide has too few spots for any candidate.
    """
    rng = np.random.default_rng(seed)
    size = min(int(SHARE * len(values)), MOST_SPOTS)
    tried = sorted({number for number in candidates if 2 <= number < size - 1})
    if not tried:
        msg = f"{len(values)} spots are too few to try {min(candidates)} domains or more; give --n-domains K"
        raise ConfigError(msg)
    compared = values[rng.permutation(len(values))[:MOST_SPOTS]]
    numbers = sorted({near for number in tried for near in (number - 1, number, number + 1)} - {1})
    labellings: dict[int, list[Int[np.ndarray, " spot"]]] = {number: [] for number in numbers}
    for run in range(N_RUNS):
        part = values[rng.choice(len(values), size, replace=False)]
        for number in numbers:
            means = KMeans(number, n_init=STARTS, random_state=run).fit(part)
            labellings[number].append(means.predict(compared))
    agreement = {
        (one, other): _agreement(labellings[one], labellings[other])
        for one in numbers
        for other in (one, one + 1)
        if other in labellings
    }
    parts = [
        np.concatenate([agreement[pair] for pair in ((k - 1, k), (k, k), (k, k + 1)) if pair in agreement])
        for k in tried
    ]
    means_of = [float(part.mean()) for part in parts]
    peaks = _peaks(tried, means_of)
    return StabilityCurve(
        n_domains=tried,
        mean=means_of,
        sd=[float(part.std()) for part in parts],
        peaks=peaks,
        best=peaks[0] if peaks else tried[int(np.argmax(means_of))],
    )


def _agreement(
    ours: Sequence[Int[np.ndarray, " spot"]], theirs: Sequence[Int[np.ndarray, " spot"]]
) -> Float[np.ndarray, " pair"]:
    """Return the index of every labelling of one number with every other run's of another."""
    return np.array([fowlkes_mallows_score(ours[i], theirs[j]) for i, j in permutations(range(len(ours)), 2)])


def _peaks(numbers: Sequence[int], means: Sequence[float]) -> list[int]:
    inner = [i for i in range(1, len(means) - 1) if means[i] > means[i - 1] and means[i] > means[i + 1]]
    return [numbers[i] for i in sorted(inner, key=lambda i: -means[i])]
