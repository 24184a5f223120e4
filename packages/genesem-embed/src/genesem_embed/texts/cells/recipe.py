"""Recipe `cell-sentences`, on one page: slide, cohort, context, sentences, prompts, checks."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData

from genesem_embed.datasets.splits import draw_sample
from genesem_embed.texts.budget import TokenBudget, fit_prompts
from genesem_embed.texts.cells.cohort import Cohort, read_cohort
from genesem_embed.texts.cells.context import Context, find_context
from genesem_embed.texts.cells.layout import NEGATIVES, POSITIVES, Sentences, Slots, make_slots, write_prompt
from genesem_embed.texts.cells.leak import check_context, check_images, check_markers, check_words
from genesem_embed.texts.cells.neighbours import NONE
from genesem_embed.texts.cells.notes import make_notes
from genesem_embed.texts.cells.options import CellOptions
from genesem_embed.texts.cells.panel import require_markers
from genesem_embed.texts.cells.sentences import Wording, write_sentences
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.prompts import Prompts
from genesem_embed.texts.template import Template

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Composed:
    """Everything that was written, and what it was written from."""

    cohort: Cohort
    context: Context
    sentences: Sentences
    rows: npt.NDArray[np.intp]
    """The cell of each prompt."""
    ids: list[str]
    users: list[str]
    dropped: Counter[str]
    """Sentences that each section lost for length."""


def write_cells(slide: AnnData, options: RecipeOptions, template: Template) -> Prompts:
    """Return one prompt per cell, with its neighbours' sentences; with layout `paired` two, with `sections` one a part.

    No label is read. Where scaling is fitted on training cells (`options.cells.fold`), neither a test cell's value nor
    its sentence reaches the text of a training cell. A cell that shows no marker gets the template's `empty`.

    Raises
    ------
    InputError
        The panel, the images or the split cannot be used, a leak was found, or a target's sentence alone is too long.
    """
    composed = compose(slide, options, template)
    return Prompts(
        unit="cell",
        ids=composed.ids,
        users=composed.users,
        system=template.system,
        recipe=make_stamp(composed, options, template),
        notes=make_notes(composed.cohort, composed.context, composed.dropped, options.cells),
    )


def make_stamp(composed: Composed, options: RecipeOptions, template: Template) -> dict[str, Any]:
    """Return everything that decides the texts."""
    max_tokens = options.budget.max_tokens if options.budget else None
    stamp = {"name": "cell-sentences", "version": VERSION, **template.stamp(), **composed.cohort.stamp}
    return {**stamp, "max_tokens": max_tokens}


def compose(slide: AnnData, options: RecipeOptions, template: Template) -> Composed:
    """Return the prompts of the cells with their context, checked for leaks."""
    cohort = read_cohort(slide, options.cells)
    check_markers(cohort.cells.values, cohort.markers, slide.obs)
    _check_patients(slide, cohort, options.cells)
    context = find_context(cohort.cells, options.cells)
    check_context(cohort.cells, context)
    sentences = sentences_of(cohort, options.cells, template)
    rows = draw_sample(slide.n_obs, options.cells.sample, options.cells.seed)
    ids, users, dropped = _write(slide, rows, sentences, context, options, template)
    check_words(users, template.parts.values(), cohort.markers)
    return Composed(
        cohort=cohort,
        context=context,
        sentences=sentences,
        rows=np.repeat(rows, len(ids) // max(len(rows), 1)),
        ids=ids,
        users=users,
        dropped=dropped,
    )


def sentences_of(cohort: Cohort, options: CellOptions, template: Template) -> Sentences:
    """Return every cell's sentence as a target and as a neighbour."""
    wording = Wording(content=options.content, separator=template.parts["separator"], empty=template.parts["empty"])
    hidden = np.isin(cohort.markers, require_markers(cohort.markers, options.occlude))
    values, shown, names = cohort.cells.values, cohort.shown, cohort.markers
    around = replace(wording, content="filler") if options.filler else wording
    return Sentences(
        target=write_sentences(values, shown & ~hidden, names, wording, options.target_markers),
        context=write_sentences(values, shown, names, around, options.context_markers),
    )


def _check_patients(slide: AnnData, cohort: Cohort, options: CellOptions) -> None:
    key = (options.split_key if options.split_by == "patient" else None) or "patient"
    if key in slide.obs:
        check_images(cohort.cells.image, cohort.cells.image_names, slide.obs[key])


def _write(
    slide: AnnData,
    rows: npt.NDArray[np.intp],
    sentences: Sentences,
    context: Context,
    options: RecipeOptions,
    template: Template,
) -> tuple[list[str], list[str], Counter[str]]:
    """Return ids, user parts, and how many sentences of each section were dropped for length."""
    names = [str(slide.obs_names[row]) for row in rows]
    found = {
        part: _fitted(rows, sentences, slots, options.budget, template, alone)
        for part, slots, alone in _parts(context, options.cells)
    }
    ids = names if options.cells.layout == "joint" else [f"{name}#{part}" for name in names for part in found]
    users = [text for texts in zip(*(users for users, _ in found.values()), strict=True) for text in texts]
    return ids, users, sum((dropped for _, dropped in found.values()), Counter[str]())


def _parts(context: Context, options: CellOptions) -> list[tuple[str, Slots, str | None]]:
    """Return the prompts that a cell gets: name, slots, and the section that stands alone in it."""
    if options.layout == "joint":
        return [("", make_slots(context, [*POSITIVES, *NEGATIVES]), None)]
    if options.layout == "paired":
        return [("positive", make_slots(context, POSITIVES), None), ("negative", make_slots(context, NEGATIVES), None)]
    sections = [name for name in (*POSITIVES, *NEGATIVES) if name in context]
    return [("target", make_slots({}, ()), None), *((name, make_slots(context, [name]), name) for name in sections)]


def _fitted(
    rows: npt.NDArray[np.intp],
    sentences: Sentences,
    slots: Slots,
    budget: TokenBudget | None,
    template: Template,
    alone: str | None,
) -> tuple[list[str], Counter[str]]:
    users, kept = fit_prompts(
        lambda number, n_slots: write_prompt(template.parts, sentences, slots, int(rows[number]), n_slots, alone),
        len(rows),
        len(slots.section),
        system=template.system,
        budget=budget,
        advice="name fewer markers (--cells target_markers=5)",
    )
    dropped: Counter[str] = Counter()
    for position, section in enumerate(slots.section):
        lost = (kept <= position) & (slots.cell[rows, position] != NONE)
        dropped[section] += int(lost.sum())
    return users, dropped
