"""Texts side by side in one row of tokens, without padding; what two texts begin with alike is there once.

In a causal model the state of a token depends only on the tokens before it, so texts that begin alike share those
states exactly: the system prompt, the template, and equal beginnings of gene lists. Texts are put in the order of
their token ids; then what a text shares with any text before it, it shares with its neighbour, and the packed row
is the prefix tree of the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
# A run may be this much shorter than the longest of its group, whose attention is computed in one padded call.
_ALIKE = 0.8


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Some runs of new tokens whose attention is computed together; a run is what a text adds to the tree."""

    starts: npt.NDArray[np.int64]
    """Where each run begins in the packed row."""
    n_new: npt.NDArray[np.int64]
    """How many tokens each run has."""
    n_seen: npt.NDArray[np.int64]
    """How many tokens come before each run in its text."""
    paths: npt.NDArray[np.int64]
    """(run, token): the packed place of every token of the run's text, zero beyond its end."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """A batch of texts as one row of tokens."""

    ids: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    """The place of each token in its text."""
    paths: npt.NDArray[np.int64]
    """(text, token): the packed place of every token of a text, zero beyond its end."""
    n_seen: npt.NDArray[np.int64]
    """How many tokens of each text were there before it."""
    n_new: npt.NDArray[np.int64]
    """How many tokens each text adds."""
    n_known: int
    """Tokens of the first text's beginning that are not in the row; places count them, before all others."""
    runs: list[Runs]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """How many tokens each text has."""
        return self.n_seen + self.n_new

    @property
    def last(self) -> npt.NDArray[np.int64]:
        """The places of the last text's tokens."""
        return self.paths[-1, : self.n_seen[-1] + self.n_new[-1]]


def tree_batches(ids: Sequence[Ids], budget: int, *, causal: bool) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the positions of every text once, in batches of at most `budget` packed tokens.

    A text longer than the budget is a batch of its own. Causal models get texts that begin alike in one batch, others
    get texts of like length, the longest first.
    """
    order = _by_beginning(ids) if causal else sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    batch: list[int] = []
    used = 0
    for row in order:
        shared = n_shared(ids[batch[-1]], ids[row]) if causal and batch else 0
        if batch and used + len(ids[row]) - shared > budget:
            yield np.asarray(batch, dtype=np.intp)
            batch, used, shared = [], 0, 0
        batch.append(row)
        used += len(ids[row]) - shared
    if batch:
        yield np.asarray(batch, dtype=np.intp)


def pack(ids: Sequence[Ids], *, causal: bool, n_known: int = 0) -> Pack:
    """Return the texts as one row; for a causal model `ids` come in the order of `tree_batches`.

    Parameters
    ----------
    n_known
        So many tokens, with which the first text begins, are known already and left out of the row.
    """
    lengths = np.asarray([len(one) for one in ids], dtype=np.int64)
    seen = np.full(len(ids), n_known, dtype=np.int64)
    if causal:
        seen[1:] = [n_shared(before, after) for before, after in zip(ids[:-1], ids[1:], strict=True)]
    n_new = lengths - seen
    starts = np.cumsum(n_new) - n_new
    paths = np.zeros((len(ids), int(lengths.max(initial=0))), dtype=np.int64)
    paths[:1, :n_known] = np.arange(n_known)
    for row, (start, n, length) in enumerate(zip(starts + n_known, seen, lengths, strict=True)):
        if row:
            paths[row, :n] = paths[row - 1, :n]
        paths[row, n:length] = np.arange(start, start + length - n)
    return Pack(
        ids=np.concatenate([one[n:] for one, n in zip(ids, seen, strict=True)]).astype(np.int64),
        positions=np.concatenate([np.arange(n, length) for n, length in zip(seen, lengths, strict=True)]),
        paths=paths,
        n_seen=seen,
        n_new=n_new,
        n_known=n_known,
        runs=_group(starts, n_new, seen, paths),
    )


def n_shared(before: Ids, after: Ids) -> int:
    """Return how many tokens two texts begin with alike."""
    n = min(len(before), len(after))
    differ = before[:n] != after[:n]
    return int(differ.argmax()) if differ.any() else n


def _by_beginning(ids: Sequence[Ids]) -> list[int]:
    """Return the order of the token ids; big-endian bytes sort as the numbers do."""
    keys = [one.astype(">u4").tobytes() for one in ids]
    return sorted(range(len(ids)), key=keys.__getitem__)


def _group(
    starts: npt.NDArray[np.int64],
    n_new: npt.NDArray[np.int64],
    n_seen: npt.NDArray[np.int64],
    paths: npt.NDArray[np.int64],
) -> list[Runs]:
    """Return the runs in groups of like length."""
    order = np.argsort(-n_new, kind="stable")
    order = order[n_new[order] > 0]
    groups = []
    while len(order):
        n_alike = int(np.searchsorted(-n_new[order], -_ALIKE * n_new[order[0]], side="right"))
        rows, order = order[:n_alike], order[n_alike:]
        width = int((n_seen + n_new)[rows].max())
        groups.append(Runs(starts=starts[rows], n_new=n_new[rows], n_seen=n_seen[rows], paths=paths[rows, :width]))
    return groups
