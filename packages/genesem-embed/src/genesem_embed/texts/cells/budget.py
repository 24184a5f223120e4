"""Prompts that fit the model: whole sentences are dropped, in the order of the slots, until the text is short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import InputError

CountTokens = Callable[[str | None, Sequence[str]], npt.NDArray[np.integer]]
"""Counts the tokens of texts: the system part they share, and their user parts."""


@dataclass(frozen=True, kw_only=True)
class TokenBudget:
    """How many tokens the model takes, and how it counts them."""

    max_tokens: int
    count: CountTokens


def fit_prompts(
    write: Callable[[int, int], str],
    n_prompts: int,
    n_slots: int,
    *,
    system: str | None,
    budget: TokenBudget | None,
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the prompts, and how many slots each was left with.

    Parameters
    ----------
    write
        Gives the text of a prompt (first argument) with its first so many slots (second).

    Raises
    ------
    InputError
        A prompt without any neighbour is still too long; nothing but sentences is ever dropped.
    """
    kept = np.full(n_prompts, n_slots, dtype=np.int64)
    users = [write(row, n_slots) for row in range(n_prompts)]
    if budget is None or not n_prompts:
        return users, kept
    rows = np.arange(n_prompts)
    while True:
        n_tokens = np.asarray(budget.count(system, [users[row] for row in rows]))
        rows, n_tokens = rows[n_tokens > budget.max_tokens], n_tokens[n_tokens > budget.max_tokens]
        if not len(rows):
            return users, kept
        if not kept[rows].all():
            msg = (
                f"the target's sentence alone takes {n_tokens[kept[rows] == 0].max()} tokens; the model takes "
                f"{budget.max_tokens}: name fewer markers (--target-markers), or take a model with a longer context"
            )
            raise InputError(msg)
        kept[rows] -= _slots_to_drop(n_tokens, kept[rows], budget.max_tokens)
        for row in rows:
            users[row] = write(int(row), int(kept[row]))


def _slots_to_drop(
    n_tokens: npt.NDArray[np.integer], kept: npt.NDArray[np.int64], max_tokens: int
) -> npt.NDArray[np.int64]:
    """Return a number of slots, at least 1, that is never more than needed while a sentence is at most the average."""
    share = (n_tokens - max_tokens) * kept / (n_tokens * 2)
    return np.clip(np.floor(share).astype(np.int64), 1, kept)
