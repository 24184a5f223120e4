import numpy as np
import pytest
import torch

from genesem_train.cells import pooling
from genesem_train.cells.folds import Fold
from genesem_train.cells.pooling import bags_of, fit_pools, whole_bags
from genesem_train.cells.reading import read_cohort

NONE = np.array([], dtype=int)


def halves(cohort):
    test = np.flatnonzero(cohort.patients >= 8)
    return Fold(fit=np.flatnonzero(cohort.patients < 8), validation=NONE, test=test)


def test_attention_tells_the_status_of_patients_and_images(cohort, monkeypatch):
    monkeypatch.setattr(pooling, "STEPS", 60)
    told = np.where(cohort.status[:, None] == 1, 1.0, -1.0) + 0.1 * np.random.default_rng(0).normal(size=(360, 4))
    hidden = torch.from_numpy(told.astype(np.float32))
    fold = halves(cohort)
    pools = fit_pools(hidden, cohort, fold, seed=0)
    for level, n_bags in (("patient", 4), ("image", 8)):
        bags, status = bags_of(cohort, level)
        rows = whole_bags(cohort, fold, level)
        found = pools[level].probabilities(hidden[rows], bags[rows])
        assert len(found) == n_bags
        assert all(probs.argmax() == status[bag] for bag, probs in found.items())


def test_where_each_patient_has_one_image_both_are_one(slide, cohort):
    slide.obs["image"] = slide.obs["patient"]
    single = read_cohort(slide, label_key="cell_type", status_key="status", group_key="patient")
    pools = fit_pools(torch.randn(360, 4), single, halves(single), seed=0)
    assert pools["image"] is pools["patient"]


def test_bags_that_a_split_tears_apart_are_not_told(cohort):
    test = np.flatnonzero(cohort.images % 2 == 0)
    fold = Fold(fit=np.setdiff1d(np.arange(360), test), validation=NONE, test=test)
    assert len(whole_bags(cohort, fold, "patient")) == 0
    assert whole_bags(cohort, fold, "image").tolist() == test.tolist()


def test_a_step_looks_at_no_more_cells_of_a_bag_than_it_may(monkeypatch):
    monkeypatch.setattr(pooling, "MOST_CELLS", 3)
    bags, random = np.array([0, 1, 0, 0, 1, 0, 0, 2]), np.random.default_rng(0)
    drawn = [tuple(pooling._draw(bags, random)) for _ in range(20)]
    assert all(np.bincount(bags[list(rows)]).tolist() == [3, 2, 1] for rows in drawn)
    assert len(set(drawn)) > 3
    monkeypatch.setattr(pooling, "MOST_CELLS", 5)
    assert pooling._draw(bags, random) == pytest.approx(np.arange(8))
