"""Sentences and neighbours to prompts: one per cell, or two (its positives, its negatives), or one a section."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.texts.cells.context import Context
from genesem_embed.texts.cells.neighbours import NONE

POSITIVES = ("both", "similar", "near")
NEGATIVES = ("dissimilar", "distant")


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """What is written of each cell: as the target, and as somebody's neighbour."""

    target: list[str]
    context: list[str]


@dataclass(frozen=True, kw_only=True)
class Slots:
    """The places of one prompt that a neighbour's sentence can stand in, those dropped last first."""

    section: list[str]
    rank: list[int]
    cell: npt.NDArray[np.int64]
    """Row of the neighbour for every prompt (rows) and slot (columns), -1 where there is none."""


def make_slots(context: Context, sections: Sequence[str]) -> Slots:
    """Return the slots of `sections`, in the order of the rule for prompts that are too long.

    Whole sentences go, never a part of one and never the task or the target: first the negatives, then the positives;
    within each, the last ranks before the first ones, and at equal rank the section named later.
    """
    ordered = [
        (name, rank)
        for kind in (POSITIVES, NEGATIVES)
        for rank in range(max((context[name].shape[1] for name in kind if name in context), default=0))
        for name in kind
        if name in context and name in sections and rank < context[name].shape[1]
    ]
    columns = [context[name][:, rank] for name, rank in ordered]
    n_cells = len(next(iter(context.values()))) if context else 0
    return Slots(
        section=[name for name, _ in ordered],
        rank=[rank for _, rank in ordered],
        cell=np.column_stack(columns) if columns else np.empty((n_cells, 0), dtype=np.int64),
    )


def write_prompt(
    parts: dict[str, str], sentences: Sentences, slots: Slots, row: int, n_slots: int, alone: str | None = None
) -> str:
    """Return the prompt of the cell at `row` with its first `n_slots` slots.

    A section stands in the prompt only with a sentence in it; sentences are numbered within their section.

    Parameters
    ----------
    alone
        The one section that the prompt holds, without the target's sentence; it stands there even when it is empty.
    """
    filled: dict[str, list[str]] = {}
    for section, cell in zip(
        slots.section[:n_slots], slots.cell[row, :n_slots].tolist() if n_slots else (), strict=True
    ):
        if cell != NONE:
            items = filled.setdefault(section, [])
            items.append(parts["item"].format(rank=len(items) + 1, sentence=sentences.context[cell]))
    if alone:
        line = parts[alone].format(sentences=parts["item_separator"].join(filled.get(alone, []))).rstrip()
        return parts["line_separator"].join([line, parts["question"]])
    lines = [parts["target"].format(sentence=sentences.target[row])]
    lines += [
        parts[section].format(sentences=parts["item_separator"].join(filled[section]))
        for section in (*POSITIVES, *NEGATIVES)
        if section in filled
    ]
    return parts["line_separator"].join([*lines, parts["question"]])
