"""How well domains fit an annotation, and, without one, how they hang together."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.metrics import (
    adjusted_rand_score,
    f1_score,
    normalized_mutual_info_score,
    silhouette_score,
)

from genesem_train.domains import match_labels
from genesem_train.graphs.spatial import nearest_spots

SILHOUETTE_SPOTS = 5_000
PAS_NEIGHBOURS = 10
PAS_OTHERS = 6


def score(domains: Int[np.ndarray, " spot"], annotation: "pd.Categorical[Any]") -> dict[str, float]:
    """Return ARI, NMI, ACC and F1 of `domains` over the annotated spots, 0 to 100.

    ACC and F1 follow a one-to-one matching of domains to labels that makes most spots agree (Hungarian). A domain left
    without a label counts as wrong; macro F1 is the mean over labels, weighted F1 the mean over labels by their spots.
    The paper does not say which it prints.
    """
    known = ~np.asarray(pd.isna(annotation))
    truth, found = np.asarray(annotation.codes)[known], np.asarray(domains)[known]
    matched = match_labels(found, truth)
    labels = np.unique(truth)
    scores = {
        "ari": adjusted_rand_score(truth, found),
        "nmi": normalized_mutual_info_score(truth, found),
        "acc": np.mean(matched == truth),
        "f1_macro": f1_score(truth, matched, labels=labels, average="macro", zero_division=0),
        "f1_weighted": f1_score(truth, matched, labels=labels, average="weighted", zero_division=0),
    }
    return {name: 100 * float(value) for name, value in scores.items()}


def label_free(
    latent: Float[np.ndarray, "spot dim"] | None, domains: Int[np.ndarray, " spot"], coords: Float[np.ndarray, "spot 2"]
) -> dict[str, float]:
    """Return scores that need no annotation.

    Returns
    -------
    dict
        `silhouette` of the domains in the latent, where there is one, -1 to 1, over at most 5,000 spots drawn with a
        fixed seed, absent where these are all of one domain; `chaos`, 0 for tight domains: mean distance to the nearest
        spot of the same domain, in standardised coordinates; `pas`, 0 for smooth ones: share of spots of whose 10
        nearest at least 6 lie in other domains. The last two as in SDMBench (Yuan et al. 2024).
    """
    scores = {"chaos": _chaos(domains, coords), "pas": _pas(domains, coords)}
    sample = np.random.default_rng(0).permutation(len(domains))[:SILHOUETTE_SPOTS]
    if latent is not None and 1 < len(np.unique(domains[sample])) < len(sample):
        scores["silhouette"] = float(silhouette_score(latent[sample], domains[sample]))
    return scores


def _chaos(domains: Int[np.ndarray, " spot"], coords: Float[np.ndarray, "spot 2"]) -> float:
    spread = coords.std(axis=0)
    places = (coords - coords.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    total = 0.0
    for domain in np.unique(domains):
        inside = places[domains == domain]
        if len(inside) > 1:
            total += np.linalg.norm(inside - inside[nearest_spots(inside, 1)[:, 0]], axis=1).sum()
    return float(total / len(domains))


def _pas(domains: Int[np.ndarray, " spot"], coords: Float[np.ndarray, "spot 2"]) -> float:
    neighbours = nearest_spots(coords, min(PAS_NEIGHBOURS, len(coords) - 1))
    others = (domains[neighbours] != domains[:, None]).sum(axis=1)
    return float(np.mean(others >= PAS_OTHERS))
