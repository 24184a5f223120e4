"""Prompts that fit the model: whole sentences are dropped from the end of a list until the text is short enough."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.errors import InputError

CountTokens = Callable[[str | None, Sequence[str]], npt.NDArray[np.integer]]
"""Counts the tokens of texts: the system part they share, and their user parts."""

Write = Callable[[int, int], str]
"""Gives the text of a prompt (first argument) with the first so many of its sentences that may go (second)."""


@dataclass(frozen=True, kw_only=True)
class TokenBudget:
    """How many tokens the model takes, and how it counts them."""

    max_tokens: int
    count: CountTokens


def fit_prompts(
    write: Write, n_prompts: int, n_slots: int, *, system: str | None, budget: TokenBudget | None, advice: str
) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Return the prompts, each with as many of its `n_slots` sentences as fit, and how many those are.

    Raises
    ------
    InputError
        A prompt is too long with none of these sentences; the message ends with `advice`.
    """
    kept = np.full(n_prompts, n_slots, dtype=np.int64)
    users = [write(row, n_slots) for row in range(n_prompts)]
    if budget is None or not n_prompts:
        return users, kept
    long = np.flatnonzero(np.asarray(budget.count(system, users)) > budget.max_tokens)
    kept[long] = _most_that_fit(write, long, n_slots, system, budget, advice)
    for row in long:
        users[row] = write(int(row), int(kept[row]))
    return users, kept


def _most_that_fit(
    write: Write, rows: npt.NDArray[np.intp], n_slots: int, system: str | None, budget: TokenBudget, advice: str
) -> npt.NDArray[np.int64]:
    """Return the greatest number of sentences that fits, by halving; `n_slots` are known to be too many."""

    def lengths(slots: npt.NDArray[np.int64]) -> npt.NDArray[np.integer]:
        users = [write(int(row), int(n)) for row, n in zip(rows, slots, strict=True)]
        return np.asarray(budget.count(system, users))

    fits, fails = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), n_slots, dtype=np.int64)
    if len(rows) and (longest := int(lengths(fits).max())) > budget.max_tokens:
        msg = (
            f"the shortest form of a text takes {longest} tokens; the model takes {budget.max_tokens}: {advice}, or "
            "take a model with a longer context"
        )
        raise InputError(msg)
    while (fails - fits > 1).any():
        middle = (fits + fails) // 2
        fitting = lengths(middle) <= budget.max_tokens
        fits, fails = np.where(fitting, middle, fits), np.where(fitting, fails, middle)
    return fits
