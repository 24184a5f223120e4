"""How many domains there are, when nobody says: the number at which halves of the slide agree best.

As CellCharter's ClusterAutoK (Varrone et al. 2024), stability decides, but over random subsets of spots: each subset is
clustered alone, the other spots follow its nearest centres, and the labellings of all spots are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

N_SUBSETS = 6
SUBSET_SHARE = 0.6
MOST_SPOTS = 20_000
"""Of a subset; more would change the curve by less than its spread."""


@dataclass(frozen=True, kw_only=True)
class StabilityCurve:
    """Agreement of subsets at every number of domains tried."""

    n_domains: list[int]
    mean: list[float]
    """Mean adjusted Rand index over pairs of subsets, -1 to 1."""
    sd: list[float]
    best: int
    """The most stable number among those more stable than one fewer and one more."""


def choose_n_domains(
    readout: Float[np.ndarray, "spot dim"], candidates: Sequence[int] = range(3, 16), *, seed: int = 0
) -> StabilityCurve:
    """Return the stability of every candidate number, and the best one."""
    rng = np.random.default_rng(seed)
    values = np.asarray(readout, dtype=np.float64)
    candidates = [number for number in candidates if 2 <= number < SUBSET_SHARE * len(values)]
    size = min(int(SUBSET_SHARE * len(values)), MOST_SPOTS)
    subsets = [rng.choice(len(values), size, replace=False) for _ in range(N_SUBSETS)]
    compared = rng.permutation(len(values))[:MOST_SPOTS]
    means, spreads = [], []
    for number in candidates:
        labellings = [
            KMeans(number, n_init=3, random_state=position).fit(values[subset]).predict(values[compared])
            for position, subset in enumerate(subsets)
        ]
        agreements = [adjusted_rand_score(one, other) for one, other in combinations(labellings, 2)]
        means.append(float(np.mean(agreements)))
        spreads.append(float(np.std(agreements)))
    return StabilityCurve(n_domains=candidates, mean=means, sd=spreads, best=candidates[_peak(means)])


def _peak(means: list[float]) -> int:
    """Return the position of the highest value above both its neighbours; the highest of all where there is none.

    The least number tried is often the most stable, because few domains are easily found again.
    """
    peaks = [i for i in range(1, len(means) - 1) if means[i] > means[i - 1] and means[i] > means[i + 1]]
    return max(peaks or range(len(means)), key=lambda i: means[i])
