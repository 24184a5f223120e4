"""Prompts that fit the model: whole sentences are dropped, in the order of the slots, until the text is short."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import InputError

CountTokens = Callable[[str | None, Sequence[str]], npt.NDArray[np.integer]]
"""Counts the tokens of texts: the system part they share, and their user parts."""

Write = Callable[[int, int], str]
"""Gives the text of a prompt (first argument) with its first so many slots (second)."""


@dataclass(frozen=True, kw_only=True)
class TokenBudget:
    """How many tokens the model takes, and how it counts them."""

    max_tokens: int
    count: CountTokens


def fit_prompts(
    write: Write, n_prompts: int, n_slots: int, *, system: str | None, budget: TokenBudget | None
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the prompts, each with as many of its slots as fit, and how many those are.

    Raises
    ------
    InputError
        A prompt without any neighbour is still too long; nothing but sentences is ever dropped.
    """
    kept = np.full(n_prompts, n_slots, dtype=np.int64)
    users = [write(row, n_slots) for row in range(n_prompts)]
    if budget is None or not n_prompts:
        return users, kept
    long = np.flatnonzero(np.asarray(budget.count(system, users)) > budget.max_tokens)
    kept[long] = _most_that_fit(write, long, n_slots, system, budget)
    for row in long:
        users[row] = write(int(row), int(kept[row]))
    return users, kept


def _most_that_fit(
    write: Write, rows: npt.NDArray[np.intp], n_slots: int, system: str | None, budget: TokenBudget
) -> npt.NDArray[np.int64]:
    """Return the greatest number of slots that fits, by halving; `n_slots` are known to be too many."""

    def lengths(slots: npt.NDArray[np.int64]) -> npt.NDArray[np.integer]:
        users = [write(int(row), int(n)) for row, n in zip(rows, slots, strict=True)]
        return np.asarray(budget.count(system, users))

    fits, fails = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), n_slots, dtype=np.int64)
    if len(rows) and (longest := int(lengths(fits).max())) > budget.max_tokens:
        msg = (
            f"the target's sentence alone takes {longest} tokens; the model takes {budget.max_tokens}: name fewer "
            "markers (--cells target_markers=5), or take a model with a longer context"
        )
        raise InputError(msg)
    while (fails - fits > 1).any():
        middle = (fits + fails) // 2
        fitting = lengths(middle) <= budget.max_tokens
        fits, fails = np.where(fitting, middle, fits), np.where(fitting, fails, middle)
    return fits
