"""Latent to domains, and several labellings to one.

What enters is a latent or a list of labellings; what leaves is one whole number per spot, 0 for the largest domain.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from genesem_train.graphs.spatial import nearest_spots

STARTS = 10
GMM_ROUNDS = 300
GMM_RIDGE = 1e-6
"""Added to the variances of a latent of variance 1."""
CONSENSUS_STARTS = 50


def kmeans_domains(latent: Float[np.ndarray, "spot dim"], n_domains: int, seed: int) -> Int[np.ndarray, " spot"]:
    """Return the domains that k-means finds in a latent, the best of 10 starts."""
    means = KMeans(n_domains, n_init=STARTS, random_state=seed)
    return by_size(means.fit_predict(np.asarray(latent, dtype=np.float64)))


def gmm_domains(latent: Float[np.ndarray, "spot dim"], n_domains: int, seed: int) -> Int[np.ndarray, " spot"]:
    """Return the domains of a Gaussian mixture with one covariance for all, the best of 10 starts from k-means.

    This is the model that mclust calls EEE, by which STAGATE and many after it cluster. mclust starts it from a
    hierarchical clustering; where domains are long and lie aslant, k-means starts can miss what that finds.
    There can be fewer domains than asked for, where no spot is likeliest in one of them.
    """
    values = np.asarray(latent, dtype=np.float64)
    mixture = GaussianMixture(
        n_domains, covariance_type="tied", n_init=STARTS, max_iter=GMM_ROUNDS, reg_covar=GMM_RIDGE, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the best of the starts counts, as of k-means
        return by_size(mixture.fit_predict(values / max(values.std(), 1e-12)))


CLUSTERERS: Mapping[str, Callable[[Float[np.ndarray, "spot dim"], int, int], Int[np.ndarray, " spot"]]] = (
    MappingProxyType({"kmeans": kmeans_domains, "gmm": gmm_domains})
)
"""From a latent, the number of domains and a seed to the domains, by the name that settings have."""


def consensus(
    labellings: Sequence[Int[np.ndarray, " spot"]], n_domains: int
) -> tuple[Int[np.ndarray, " spot"], Float[np.ndarray, " spot"]]:
    """Return the domains that agree best with all labellings, and how many of these agree in each spot.

    Every spot becomes the row of its labels, one-hot; two rows have as many ones in common as labellings put both spots
    together, so k-means on the rows clusters by co-association (Topchy, Jain and Punch 2005) without the matrix of all
    pairs. Spots with equal rows count as one with a weight: the cost grows linearly with spots, and no order of
    labellings or names of labels matters. There are fewer domains than asked for where fewer rows differ.

    Returns
    -------
    tuple
        Domains, and per spot the share of labellings that agree with them after one-to-one matching, 0 to 1.
    """
    if len(labellings) == 1:
        return by_size(labellings[0]), np.ones(len(labellings[0]))
    stacked = np.stack([np.unique(labelling, return_inverse=True)[1] for labelling in labellings], axis=1)
    profiles, spot_profile, weights = np.unique(stacked, axis=0, return_inverse=True, return_counts=True)
    rows = np.concatenate([np.eye(column.max() + 1)[column] for column in profiles.T], axis=1)
    n_found = min(n_domains, len(profiles))  # a vote over neighbours or a mixture can leave fewer
    means = KMeans(n_found, n_init=CONSENSUS_STARTS, random_state=0).fit(rows, sample_weight=weights)
    domains = by_size(means.labels_[spot_profile.ravel()])
    return domains, agreement(list(stacked.T), domains)


def joint_domains(latents: Sequence[Float[np.ndarray, "spot dim"]], n_domains: int) -> Int[np.ndarray, " spot"]:
    """Return the domains that k-means finds in all latents side by side, the best of 50 starts.

    Every latent is centred and brought to the same total variance, so two spots are as near as they are on average over
    the latents. Labels throw distances away: where a domain could as well be split here as there, the labellings of a
    few seeds tip over, and their consensus with them.
    """
    means = KMeans(n_domains, n_init=CONSENSUS_STARTS, random_state=0)
    return by_size(means.fit_predict(np.hstack([equal_variance(latent) for latent in latents])))


def agreement(
    labellings: Sequence[Int[np.ndarray, " spot"]], domains: Int[np.ndarray, " spot"]
) -> Float[np.ndarray, " spot"]:
    """Return per spot the share of labellings that agree with the domains after one-to-one matching, 0 to 1."""
    agreeing: Float[np.ndarray, " spot"] = np.mean(
        [match_labels(labelling, domains) == domains for labelling in labellings], axis=0
    )
    return agreeing


def equal_variance(values: Float[np.ndarray, "spot dim"]) -> Float[np.ndarray, "spot dim"]:
    """Return the values centred, divided so that their squares sum to 1."""
    mean, norm = centre_and_norm(values)
    scaled: Float[np.ndarray, "spot dim"] = (np.asarray(values, dtype=np.float64) - mean) / norm
    return scaled


def centre_and_norm(values: Float[np.ndarray, "spot dim"]) -> tuple[Float[np.ndarray, " dim"], float]:
    """Return the mean of the rows, and the root of the sum of squares about it, at least 1e-12."""
    mean: Float[np.ndarray, " dim"] = values.mean(axis=0)
    return mean, max(float(np.linalg.norm(np.asarray(values, dtype=np.float64) - mean)), 1e-12)


def match_labels(labels: Int[np.ndarray, " spot"], reference: Int[np.ndarray, " spot"]) -> Int[np.ndarray, " spot"]:
    """Return `labels` renamed to those of `reference`, one to one, so that most spots agree; -1 where none is left."""
    names, rows = np.unique(labels, return_inverse=True)
    targets, columns = np.unique(reference, return_inverse=True)
    shared = sparse.coo_matrix((np.ones(len(labels)), (rows, columns)), shape=(len(names), len(targets))).toarray()
    chosen, matched = linear_sum_assignment(shared, maximize=True)
    renamed = np.full(len(names), -1)
    renamed[chosen] = targets[matched]
    matched_labels: Int[np.ndarray, " spot"] = renamed[rows]
    return matched_labels


def vote_smooth(
    domains: Int[np.ndarray, " spot"], coords: Float[np.ndarray, "spot 2"], k: int
) -> Int[np.ndarray, " spot"]:
    """Return the most frequent domain among each spot's `k` nearest; the spot's own wins a tie it is part of."""
    neighbours = nearest_spots(coords, min(k, len(coords) - 1))
    n_spots, n_labels = len(domains), int(domains.max()) + 1
    spot = np.repeat(np.arange(n_spots), neighbours.shape[1])
    votes = np.bincount(spot * n_labels + domains[neighbours.ravel()], minlength=n_spots * n_labels)
    votes = 2 * votes.reshape(n_spots, n_labels)
    votes[np.arange(n_spots), domains] += 1
    elected: Int[np.ndarray, " spot"] = votes.argmax(axis=1)
    return elected


def by_size(labels: Int[np.ndarray, " spot"]) -> Int[np.ndarray, " spot"]:
    """Return the labels renamed 0, 1, ... from the largest to the smallest, so that a name does not depend on luck."""
    codes, counts = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    renamed: Int[np.ndarray, " spot"] = rank[codes]
    return renamed
