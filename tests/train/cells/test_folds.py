import numpy as np
import pytest

from genesem_train.cells.folds import carve_validation
from genesem_train.cells.predictions import FoldPredictions, gather, mean_pool


def test_validation_takes_whole_groups_of_every_stratum():
    groups = np.repeat(np.arange(12), 5)
    strata = groups % 2
    train, test = np.flatnonzero(groups < 10), np.flatnonzero(groups >= 10)
    fold = carve_validation(train, test, groups, strata, share=0.2, seed=0)
    held = np.unique(groups[fold.validation])
    assert sorted(held % 2) == [0, 1]
    assert not set(held) & set(groups[fold.fit])
    assert fold.train.tolist() == train.tolist()
    assert fold.test is test


def test_the_only_group_of_a_stratum_stays_for_fitting():
    groups = np.array([0, 0, 1, 2, 3])
    strata = np.array([1, 1, 0, 0, 0])
    fold = carve_validation(np.arange(5), np.array([], dtype=int), groups, strata, share=0.9, seed=0)
    assert 0 in groups[fold.fit]
    assert len(fold.fit) > 2


def test_each_cell_keeps_what_its_own_fold_said():
    parts = [
        (
            np.array([0, 2]),
            FoldPredictions(types=np.eye(2), status=np.ones((2, 1)), attention={"patient": {1: np.array([0.4])}}),
        ),
        (np.array([1]), FoldPredictions(types=np.array([[0.3, 0.7]]), status=np.zeros((1, 1)))),
    ]
    whole = gather(parts, n_cells=3, n_bags={"patient": 2, "image": 2})
    assert whole.types.tolist() == [[1, 0], [0.3, 0.7], [0, 1]]
    assert list(whole.attention) == ["patient"]
    assert whole.attention["patient"][1].tolist() == [0.4]
    assert mean_pool(whole.types, np.array([0, 0, 1])) == pytest.approx(np.array([[0.65, 0.35], [0, 1]]))
