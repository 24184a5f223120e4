"""Batches that fit: a token budget that is halved, and stays so, when the device runs out of memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from genesem_embed.encoders.packing import Ids, tree_batches
from genesem_embed.encoders.runners import Runner

Result = tuple[npt.NDArray[np.intp], Float[Tensor, "text dim"] | None]


class Budget:
    """The tokens that one batch may have; what was learned holds for all later batches.

    Parameters
    ----------
    on_halved
        Told the new budget whenever memory ran out.
    """

    def __init__(self, tokens: int, on_halved: Callable[[int], None] = lambda tokens: None) -> None:
        self.tokens = tokens
        self._on_halved = on_halved

    def halve(self, n_tokens: int) -> None:
        """Take note that a batch of `n_tokens` was too much."""
        self.tokens = max(min(self.tokens, n_tokens) // 2, 1)
        self._on_halved(self.tokens)


def run_within(runner: Runner, ids: Sequence[Ids], spans: npt.NDArray[np.int64], budget: Budget) -> Iterator[Result]:
    """Yield texts and their vectors, batch by batch; None for a text that does not fit even alone."""
    waiting = deque([np.arange(len(ids))] if ids else [])
    while waiting:
        rows = waiting.popleft()
        asked = [ids[row] for row in rows.tolist()]
        batches = list(tree_batches(asked, budget.tokens, causal=runner.causal))
        if len(batches) > 1:
            waiting.extendleft(rows[batch] for batch in reversed(batches))
            continue
        # The order of the batch is what brings equal beginnings together.
        rows, asked = rows[batches[0]], [asked[place] for place in batches[0].tolist()]
        vectors = _try(runner, asked, spans[rows])
        if vectors is None and len(rows) > 1:
            budget.halve(sum(map(len, asked)))
            waiting.appendleft(rows)
            continue
        poisoned = np.zeros(len(rows), dtype=np.bool_)
        if vectors is not None and len(rows) > 1:
            # One text that overflows makes its whole batch not finite (0 x inf); alone, the others are well.
            poisoned = ~torch.isfinite(vectors).all(1).cpu().numpy()
            waiting.extendleft(rows[poisoned][:, None])
            vectors = vectors[torch.from_numpy(~poisoned).to(vectors.device)]
        yield rows[~poisoned], vectors


def _try(runner: Runner, ids: Sequence[Ids], spans: npt.NDArray[np.int64]) -> Tensor | None:
    """Return the vectors of a batch, or None where memory did not suffice."""
    try:
        return runner.run(ids, spans)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    except RuntimeError as error:
        if "can't allocate memory" in str(error):  # how the CPU's allocator says it
            return None
        raise
