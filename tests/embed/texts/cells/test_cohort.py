import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets.splits import assign_folds, split_digest
from genesem_embed.errors import InputError
from genesem_embed.texts.cells.cohort import has_folds, read_cohort
from genesem_embed.texts.cells.options import CellOptions


def test_names_are_short_and_nuclear_channels_gone(cells):
    assert read_cohort(cells, CellOptions(fold=0, folds=4)).markers == [
        "CD45",
        "CD3",
        "CD8",
        "CD20",
        "CD68",
        "Pan-Keratin",
        "SMA",
    ]


def test_the_split_is_stamped_so_that_training_can_check_it(cells):
    options = CellOptions(fold=1, folds=2, status_key="status", seed=3)
    status = pd.Categorical(cells.obs["status"])
    fold = assign_folds(cells.obs["patient"].astype(str), n_folds=2, seed=3, strata=status)
    cohort = read_cohort(cells, options)
    assert cohort.stamp["split"] == {
        "by": "patient",
        "key": "patient",
        "status_key": "status",
        "n_folds": 2,
        "seed": 3,
        "fold": 1,
        "sha256": split_digest(fold),
    }
    np.testing.assert_array_equal(cohort.cells.training, fold != 1)


@pytest.mark.parametrize("options", [CellOptions(scaling="raw"), CellOptions(scaling_scope="image")])
def test_nothing_fitted_on_training_cells_needs_no_fold(cells, options):
    cohort = read_cohort(cells, options)
    assert not has_folds(cells, options)
    assert cohort.stamp["split"] is None
    assert cohort.cells.training is None


def test_fitted_scaling_without_a_fold_says_what_to_do(cells):
    assert has_folds(cells, CellOptions())
    with pytest.raises(InputError, match="zscore is fitted on the training cells of a fold, and the fold is None"):
        read_cohort(cells, CellOptions())


def test_a_slide_without_images_is_one(cells):
    del cells.obs["image"]
    assert read_cohort(cells, CellOptions(scaling="raw")).cells.image_names == ["image"]
    with pytest.raises(InputError, match="no column 'fov' in obs"):
        read_cohort(cells, CellOptions(scaling="raw", image_key="fov"))


def test_empty_cells_show_nothing_and_an_empty_slide_is_refused(cells):
    cells.X[:] = 1
    cells.X[5] = 0
    for undetected in ("drop", "keep"):
        shown = read_cohort(cells, CellOptions(fold=0, folds=4, undetected=undetected)).shown
        assert np.flatnonzero(~shown.any(axis=1)).tolist() == [5]
    cells.X[:] = 0
    with pytest.raises(InputError, match="all 240 cells have zeros in all 7 markers"):
        read_cohort(cells, CellOptions(fold=0, folds=4))
