"""The mode ``improved``: a network on a slide's field, and what of it is clustered.

What enters is a slide as `slide_field` prepares it; what leaves is a fitted network, and the latents of its readout
epochs beside the field as one embedding, together with what embeds a slide to come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor

from genesem_train.domains import centre_and_norm, equal_variance
from genesem_train.improved.affine import AffineMap
from genesem_train.improved.inputs import FieldInputs
from genesem_train.models.backbone import Backbone
from genesem_train.models.field_semst import FieldSemST
from genesem_train.models.fusion import FusionName
from genesem_train.training.fit import Trained, readout_of
from genesem_train.training.parallel import Job

READOUT_EPOCHS = (50, 100)
EMBEDDING_DIM = 30
EMBEDDING = "embedding"
EARLIER = "earlier"

Embedding = Float[np.ndarray, "spot component"]


def field_job(prepared: FieldInputs, *, fusion: FusionName = "fsm", hidden_dim: int = 64, latent_dim: int = 32) -> Job:
    """Return the fit of a network to a prepared slide; `embedding` makes of its outcome what is clustered."""
    inputs = prepared.inputs
    assert inputs.field is not None
    network = partial(
        FieldSemST,
        inputs.field.shape[1],
        None if inputs.semantics is None else inputs.semantics.shape[1],
        prepared.genes,
        hidden_dim=hidden_dim,
        latent_dim=latent_dim,
        fusion=fusion,
    )
    return Job(network=network, inputs=inputs, settings={"readout_epochs": READOUT_EPOCHS})


def field_network(prepared: FieldInputs, *, fusion: FusionName, hidden_dim: int, latent_dim: int) -> Backbone:
    """Return the untrained network for a prepared slide."""
    return field_job(prepared, fusion=fusion, hidden_dim=hidden_dim, latent_dim=latent_dim).network()


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """What embeds a slide to come, beside the weights of the last network's last epoch."""

    earlier: Sequence[Mapping[str, Tensor]]
    """Weights of all readouts but the last network's last, in their order."""
    onto: AffineMap
    """From all readouts and the field, side by side, to the embedding."""

    def embed(self, network: Backbone, last: Mapping[str, Tensor], prepared: FieldInputs) -> Embedding:
        """Return the embedding of a prepared slide; `network` has the widths that the weights were fitted in."""
        readouts = [readout_of(network, weights, prepared.inputs) for weights in (*self.earlier, last)]
        return self.onto(np.hstack([*readouts, prepared.field]))

    def tensors(self, seed: int) -> dict[str, Tensor]:
        """Return all numbers by names of the seed's own."""
        found = self.onto.tensors(f"{EMBEDDING}/{seed}")
        for number, weights in enumerate(self.earlier):
            found |= {f"{EARLIER}/{seed}/{number}/{name}": tensor for name, tensor in weights.items()}
        return found

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], seed: int) -> Self:
        """Return the embedder whose `tensors` of a seed are among these; a KeyError where one is missing."""
        earlier: dict[int, dict[str, Tensor]] = {}
        for path, tensor in tensors.items():
            if path.startswith(f"{EARLIER}/{seed}/"):
                number, _, name = path.removeprefix(f"{EARLIER}/{seed}/").partition("/")
                earlier.setdefault(int(number), {})[name] = tensor
        onto = AffineMap.from_tensors(tensors, f"{EMBEDDING}/{seed}")
        return cls(earlier=[earlier[number] for number in sorted(earlier)], onto=onto)


def embedding(prepared: FieldInputs, networks: Sequence[Trained]) -> tuple[Embedding, Embedder]:
    """Return what is clustered, the latents of the kept epochs beside the field that they came from, and its embedder.

    Both halves have the same total variance. The field is the same for all networks, and the more of them there are,
    the less hangs on where they started.
    """
    readouts = [readout for trained in networks for readout in trained.readouts.values()]
    weights = [weights for trained in networks for weights in trained.readout_weights.values()]
    latents = np.hstack([equal_variance(readout) for readout in readouts]) / np.sqrt(len(readouts))
    joint = np.hstack([latents, equal_variance(prepared.field)])
    principal = PCA(min(EMBEDDING_DIM, *joint.shape), svd_solver="full")
    reduced: Embedding = principal.fit_transform(joint)
    means, norms = zip(*(centre_and_norm(part) for part in (*readouts, prepared.field)), strict=True)
    divisors = np.multiply(norms, [np.sqrt(len(readouts))] * len(readouts) + [1.0])
    divisors = np.repeat(divisors, [len(mean) for mean in means])
    onto = AffineMap.about(
        np.concatenate(means) + principal.mean_ * divisors, principal.components_.T / divisors[:, None]
    )
    return reduced, Embedder(earlier=weights[:-1], onto=onto)
