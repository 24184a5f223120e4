"""Which cells a run is about, how they are divided, and which stored sentences may be used with that split."""

from dataclasses import dataclass

import numpy as np
from anndata import AnnData

from genesem_embed.datasets import assign_folds, draw_sample, fold_rows, labels, split_digest, split_groups
from genesem_embed.store import Store
from genesem_train.cells.choosing import choose_sentences, plain_sentences, sets_of_sample
from genesem_train.cells.cohort import Cohort
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.folds import Fold, carve_validation
from genesem_train.cells.reading import read_cohort
from genesem_train.cells.sentences import SentenceSet, stored_sentences
from genesem_train.cells.wording import flags, split_choices
from genesem_train.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cells of a run, their folds and the stored sentences that fit them."""

    cohort: Cohort
    folds: list[Fold]
    sets: list[SentenceSet]
    """All that may be used with this split, occluded ones included."""
    whole: list[SentenceSet]
    """Those with a text of every cell, and nothing left out of it."""
    chosen: SentenceSet
    plain: SentenceSet | None


def make_plan(slide: AnnData, config: CellsConfig, store: Store, dataset: str) -> Plan:
    """Return the cells and folds that the config asks for, and which stored sentences may be used with them.

    Folds are those of all cells, of which a sample keeps its own.

    Raises
    ------
    GenesemError
        On a column, a split that cannot be, or when no sentences are stored that a fit with this split may use.
    """
    cohort = read_cohort(
        slide,
        label_key=config.label_key,
        status_key=config.status_key,
        group_key=config.group_key,
        image_key=config.image_key,
        neighbours=config.neighbours,
    )
    key = {"patient": config.group_key, "image": config.image_key or "image", "cell": None}[config.split]
    groups = split_groups(slide, config.split, key)
    strata = labels(slide, config.status_key) if config.status_key else None
    fold_of_cell = assign_folds(groups, n_folds=config.folds, seed=config.split_seed, strata=strata)
    sets = stored_sentences(store, slide, dataset=dataset, config=config, split_digest=split_digest(fold_of_cell))
    whole = sets_of_sample(sets, config.sample, config.split_seed)
    extra = flags(split_choices(config) | ({"sample": config.sample} if config.sample else {}))
    chosen = choose_sentences(whole, config.collection, dataset, store, extra)
    rows = draw_sample(slide.n_obs, config.sample, config.split_seed)
    if lacking := sorted(set(range(config.folds)) - set(fold_of_cell[rows].tolist())):
        msg = f"a sample of {config.sample} cells leaves fold {lacking[0]} without a cell; take a larger --sample"
        raise ConfigError(msg)
    return Plan(
        cohort=cohort.only(rows),
        folds=_folds(groups[rows], fold_of_cell[rows], cohort.status[rows], config),
        sets=sets,
        whole=whole,
        chosen=chosen,
        plain=plain_sentences(whole, chosen),
    )


def _folds(groups: np.ndarray, fold_of_cell: np.ndarray, status: np.ndarray, config: CellsConfig) -> list[Fold]:
    codes = np.unique(groups.astype(str), return_inverse=True)[1]
    return [
        carve_validation(train, test, codes, status, share=config.validation_share, seed=config.split_seed)
        for train, test in fold_rows(fold_of_cell)
    ]
