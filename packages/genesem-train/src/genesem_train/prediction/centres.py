"""The domains of a fit for spots to come: the centres of each seed's, and those of all seeds together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from genesem_train.domains import centre_and_norm, match_labels

CENTRES = "centres"
JOINT = "joint_centres"
NORMS = "norms"
AXES = "axes"
RIDGE = 1e-6
"""Of the mean variance, added to every variance, as the mixture does."""

Domains = Int[np.ndarray, " spot"]
Latents = Mapping[int, Float[np.ndarray, "spot dim"]]
Centres = Mapping[int, Float[np.ndarray, "domain dim"]]


@dataclass(frozen=True, kw_only=True)
class FittedDomains:
    """Centres in every seed's latent, by seed, in the order of the consensus domains."""

    centres: Centres
    """Of the seed's own domains that match those of the consensus."""
    joint: Centres = field(default_factory=dict)
    """Of the consensus domains themselves, where these were found in all latents side by side; else nothing."""
    norms: Mapping[int, float] = field(default_factory=dict)
    """What each latent is divided by beside the others."""
    axes: Mapping[int, Float[np.ndarray, "dim dim"]] = field(default_factory=dict)
    """What takes each latent to where its domains are round, for those of a Gaussian mixture; else nothing."""

    @classmethod
    def learn(
        cls, latents: Latents, labellings: Mapping[int, Domains], consensus: Domains, *, joint: bool, tied: bool = False
    ) -> Self:
        """Return the centres of a fit.

        Parameters
        ----------
        joint
            Whether its consensus was found in all latents side by side.
        tied
            Whether its domains are those of a Gaussian mixture with one covariance.
        """
        return cls(
            axes={seed: _rounding(latent, labellings[seed]) for seed, latent in latents.items()} if tied else {},
            centres={seed: _matched_centres(latent, labellings[seed], consensus) for seed, latent in latents.items()},
            joint={seed: domain_centres(latent, consensus) for seed, latent in latents.items()} if joint else {},
            norms={seed: centre_and_norm(latent)[1] for seed, latent in latents.items()} if joint else {},
        )

    @property
    def n_domains(self) -> int:
        """How many the fit found."""
        return max(len(centres) for centres in self.centres.values())

    def of_seed(self, seed: int, latent: Float[np.ndarray, "spot dim"]) -> Domains:
        """Return the domain whose centre in the seed's latent is nearest to each spot, for a mixture as it measures."""
        axes = self.axes.get(seed, np.eye(latent.shape[1]))
        return nearest_domains(latent @ axes, self.centres[seed] @ axes)

    def together(self, latents: Latents, labellings: Mapping[int, Domains]) -> Domains:
        """Return the domains of all seeds, as their consensus was found.

        That is the nearest centre in all latents side by side, or the domain that most seeds vote for; a tie goes to
        the domain that was larger in the fit.
        """
        if self.joint:
            scaled = [
                np.hstack([part[seed] / self.norms[seed] for seed in self.joint]) for part in (latents, self.joint)
            ]
            return nearest_domains(*scaled)
        votes = np.sum([np.eye(self.n_domains)[labels] for labels in labellings.values()], axis=0)
        elected: Domains = votes.argmax(axis=1)
        return elected

    def tensors(self) -> dict[str, Tensor]:
        """Return all numbers by name."""
        parts = {CENTRES: self.centres, JOINT: self.joint, NORMS: self.norms, AXES: self.axes}
        return {
            f"{name}/{seed}": torch.from_numpy(np.array(value))
            for name, by_seed in parts.items()
            for seed, value in by_seed.items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return the domains whose `tensors` are among these."""

        def by_seed(name: str) -> dict[int, np.ndarray]:
            own = {path: tensor for path, tensor in tensors.items() if path.startswith(f"{name}/")}
            return {int(path.removeprefix(f"{name}/")): tensor.numpy() for path, tensor in own.items()}

        norms = {seed: float(norm) for seed, norm in by_seed(NORMS).items()}
        return cls(centres=by_seed(CENTRES), joint=by_seed(JOINT), norms=norms, axes=by_seed(AXES))


def _rounding(latent: Float[np.ndarray, "spot dim"], own: Domains) -> Float[np.ndarray, "dim dim"]:
    """Return the matrix after which distances are those by the domains' common covariance (Mahalanobis)."""
    values = np.asarray(latent, dtype=np.float64)
    within = values - domain_centres(values, own)[own]
    covariance = within.T @ within / len(values)
    covariance.flat[:: len(covariance) + 1] += max(RIDGE * values.var(), np.finfo(np.float64).tiny)
    rounding: Float[np.ndarray, "dim dim"] = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)
    return rounding


def _matched_centres(
    latent: Float[np.ndarray, "spot dim"], own: Domains, consensus: Domains
) -> Float[np.ndarray, "domain dim"]:
    """Return the centre of the seed's domain that each consensus domain matches, or of its spots where none does."""
    matched = match_labels(own, consensus)
    centres = domain_centres(latent, consensus)
    for domain in np.unique(matched[matched >= 0]):
        centres[domain] = latent[matched == domain].mean(axis=0)
    return centres


def domain_centres(
    readout: Float[np.ndarray, "spot dim"], domains: Int[np.ndarray, " spot"]
) -> Float[np.ndarray, "domain dim"]:
    """Return the mean readout of every domain 0, 1, ..."""
    return np.stack([readout[domains == domain].mean(axis=0) for domain in range(int(domains.max()) + 1)])


def nearest_domains(
    readout: Float[np.ndarray, "spot dim"], centres: Float[np.ndarray, "domain dim"]
) -> Int[np.ndarray, " spot"]:
    """Return the domain whose centre is nearest to each spot."""
    squares = (centres**2).sum(axis=1) - 2 * readout @ centres.T
    nearest: Int[np.ndarray, " spot"] = squares.argmin(axis=1)
    return nearest
