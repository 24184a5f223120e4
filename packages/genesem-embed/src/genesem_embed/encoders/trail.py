"""What a batch leaves for the next one: the states of its last text, so that no beginning is computed twice in a job.

In a causal model keys, values and hidden states depend on nothing that comes later, so that they hold for every text
that begins alike: the system prompt, the opening of the chat template, and with texts in the order of their tokens
also what the first text of a batch shares with the last one of the batch before.
"""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from genesem_embed.encoders.packing import Ids, n_shared

States = tuple[Float[Tensor, "token kv_head dim"], Float[Tensor, "token kv_head dim"]]


@dataclass(frozen=True)
class Trail:
    """One text that was computed; any part of it from the start on holds as well."""

    ids: Ids
    layers: dict[int, States]
    """Keys and values, by the identity of the attention layer."""
    hidden: Float[Tensor, "token dim"]
    """The states that are pooled."""

    def n_known(self, ids: Ids) -> int:
        """Return how many tokens of a text need not be computed; its last one always is."""
        return min(n_shared(self.ids, ids), len(ids) - 1)
