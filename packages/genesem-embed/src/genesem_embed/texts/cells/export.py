"""Cells, questions and answers as a file for fine-tuning, readable by Hugging Face `datasets` and by `cell2sentence`.

One row per cell and task, with the columns that `CSModel.fine_tune(formatted_hf_ds=...)` takes (`cell_name`,
`cell_sentence`, `sample_type`, `model_input`, `response`) and where the row comes from. The answer is in `response`
alone; the prompts are those of the recipe, with the question of the task.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from genesem_embed.datasets.fingerprint import labels
from genesem_embed.errors import InputError
from genesem_embed.texts.cells.formats import check_ending, write_rows
from genesem_embed.texts.cells.neighbours import NONE
from genesem_embed.texts.cells.recipe import Composed, compose, make_stamp
from genesem_embed.texts.options import RecipeOptions
from genesem_embed.texts.template import Template

_TASKS = {"cell_type_prediction": "question_cell_type", "clinical_status_prediction": "question_status"}


def export_cells(
    slide: AnnData,
    options: RecipeOptions,
    template: Template,
    path: Path,
    *,
    label_key: str | None = None,
    status_key: str | None = None,
) -> int:
    """Return the number of rows written to `path`: `.parquet`, `.jsonl`, or a folder for `datasets.load_from_disk`.

    It appears whole or not at all. Cells without an answer to a task have no row for it. `split` says train or test
    where a fold was named (`options.cells.fold`), and distances are Euclidean, in the units of the slide.

    Raises
    ------
    InputError
        The ending is another, no column of answers is named, or the slide cannot be written as cell sentences.
    """
    keys = {"cell_type_prediction": label_key, "clinical_status_prediction": status_key}
    tasks = {task: key for task, key in keys.items() if key is not None}
    if not tasks:
        msg = "an export needs answers: name the column of the cell types (--label-key) or of the status (--status-key)"
        raise InputError(msg)
    check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        n_rows = write_rows(_rows(slide, options, template, tasks), unfinished, path.suffix)
        unfinished.replace(path)
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        unfinished.unlink(missing_ok=True)
    return n_rows


def _rows(
    slide: AnnData, options: RecipeOptions, template: Template, tasks: dict[str, str]
) -> Iterator[dict[str, Any]]:
    for task, key in tasks.items():
        asked = replace(template, parts={**template.parts, "question": template.parts[_TASKS[task]]})
        composed = compose(slide, options, asked)
        answers = np.asarray(labels(slide, key), dtype=object)
        stamp = json.dumps(make_stamp(composed, options, asked), sort_keys=True)
        digest = hashlib.sha256(stamp.encode()).hexdigest()
        about = [_column(slide, options.cells.image_key), _column(slide, options.cells.split_key or "patient")]
        for number, cell in enumerate(composed.rows):
            if isinstance(answers[cell], str):
                yield {
                    "cell_name": composed.ids[number],
                    "cell_sentence": composed.sentences.target[cell],
                    "sample_type": task,
                    "model_input": f"{template.system}\n{composed.users[number]}",
                    "response": answers[cell],
                    "image": about[0][cell],
                    "patient": about[1][cell],
                    "split": _side(composed, int(cell)),
                    **_neighbours(slide, composed, int(cell)),
                    "recipe_sha256": digest,
                }


def _column(slide: AnnData, key: str) -> list[str | None]:
    if key not in slide.obs:
        return [None] * slide.n_obs
    column = slide.obs[key]
    return [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]


def _side(composed: Composed, cell: int) -> str | None:
    training = composed.cohort.cells.training
    return None if training is None else "train" if training[cell] else "test"


def _neighbours(slide: AnnData, composed: Composed, cell: int) -> dict[str, list[Any]]:
    found = [
        (section, int(other)) for section, picks in composed.context.items() for other in picks[cell] if other != NONE
    ]
    coords = composed.cohort.cells.coords
    return {
        "neighbour_section": [section for section, _ in found],
        "neighbour_name": [str(slide.obs_names[other]) for _, other in found],
        "neighbour_distance": [round(float(np.hypot(*(coords[other] - coords[cell]))), 3) for _, other in found],
    }
