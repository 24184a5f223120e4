import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesem_embed.datasets.splits import assign_folds, draw_sample, fold_rows, split_digest, split_groups
from genesem_embed.errors import InputError


def cohort(n_patients=12, cells=5):
    patients = np.repeat([f"p{i:02d}" for i in range(n_patients)], cells)
    status = pd.Categorical(np.where([int(name[1:]) % 3 == 0 for name in patients], "yes", "no"))
    return patients, status


@given(n_patients=st.integers(2, 20), n_folds=st.integers(2, 6), seed=st.integers(0, 5), data=st.data())
def test_groups_stay_whole_and_cell_order_does_not_matter(n_patients, n_folds, seed, data):
    groups = data.draw(st.lists(st.integers(0, n_patients - 1), min_size=n_patients, max_size=60))
    groups = np.array([*groups, *range(n_patients)]).astype(str)
    n_folds = min(n_folds, n_patients)
    fold = assign_folds(groups, n_folds=n_folds, seed=seed)
    assert pd.Series(fold).groupby(groups).nunique().max() == 1
    assert set(fold) == set(range(n_folds))
    order = np.random.default_rng(0).permutation(len(groups))
    np.testing.assert_array_equal(assign_folds(groups[order], n_folds=n_folds, seed=seed), fold[order])


def test_every_fold_gets_its_share_of_each_status():
    patients, status = cohort()
    fold = assign_folds(patients, n_folds=4, strata=status)
    table = pd.crosstab(fold, np.asarray(status))
    assert (table["yes"] == 5).all()
    assert (table["no"] == 10).all()


def test_patients_without_a_status_are_dealt_too():
    patients, status = cohort()
    status = status.set_categories(["yes"])
    fold = assign_folds(patients, n_folds=4, strata=status)
    assert np.bincount(fold).tolist() == [15, 15, 15, 15]


def test_seeds_differ_and_repeat():
    patients, _ = cohort()
    first = assign_folds(patients, n_folds=3, seed=1)
    assert split_digest(first) == split_digest(assign_folds(patients, n_folds=3, seed=1))
    assert split_digest(first) != split_digest(assign_folds(patients, n_folds=3, seed=2))


def test_rows_of_folds_cover_every_cell_once():
    patients, _ = cohort()
    rows = fold_rows(assign_folds(patients, n_folds=3))
    assert sorted(np.concatenate([test for _, test in rows])) == list(range(60))
    assert all(not set(train) & set(test) and len(train) + len(test) == 60 for train, test in rows)


def test_a_split_is_the_same_on_every_machine():
    assert assign_folds(list("abcdefgh"), n_folds=3, seed=0).tolist() == [2, 0, 0, 2, 1, 1, 0, 1]


@pytest.mark.parametrize(
    ("groups", "status", "n_folds", "message"),
    [
        (["a", "a", "b"], None, 3, "3 folds of 2 groups .first: a, b.; expected 2 to 2"),
        (["a", "b"], None, 1, "1 folds of 2 groups"),
        (["a", "a", "b", "c"], ["x", "y", "y", "x"], 2, "status varies within 1 of 3 groups .first: a."),
        (["a", "b", "c"], ["x", "y", "y"], 2, "status 'x' has a single group .a.: folds are impossible"),
        (["a", "a", "b", "c"], ["x", None, "x", "x"], 2, "status varies within 1 of 3 groups .first: a."),
    ],
    ids=["few groups", "one fold", "varying", "single", "partly missing"],
)
def test_impossible_splits_are_refused(groups, status, n_folds, message):
    strata = None if status is None else pd.Categorical(status)
    with pytest.raises(InputError, match=message):
        assign_folds(groups, n_folds=n_folds, strata=strata)


def test_groups_come_from_obs():
    slide = ad.AnnData(np.ones((3, 1)), obs=pd.DataFrame({"donor": ["x", "y", None]}, index=["c1", "c2", "c3"]))
    assert split_groups(slide, "cell").tolist() == ["c1", "c2", "c3"]
    assert split_groups(slide[:2], "patient", "donor").tolist() == ["x", "y"]
    with pytest.raises(InputError, match="1 of 3 cells have no patient in obs"):
        split_groups(slide, "patient", "donor")
    with pytest.raises(InputError, match="no column 'image' in obs; it has donor"):
        split_groups(slide, "image")


@pytest.mark.real
def test_keren_splits_by_patient_and_recurrence(real_data):
    slide = ad.read_h5ad(real_data("keren_tnbc_mibi.h5ad"))
    status = pd.Categorical(slide.obs["recurrence"])
    fold = assign_folds(split_groups(slide, "patient"), n_folds=5, strata=status)
    patients = slide.obs.assign(fold=fold).drop_duplicates("patient")
    assert pd.crosstab(patients["fold"], patients["recurrence"])["POSITIVE"].tolist() == [3, 3, 3, 3, 3]


@given(n_cells=st.integers(1, 60), size=st.integers(1, 70), seed=st.integers(0, 5))
def test_a_larger_sample_holds_a_smaller_one(n_cells, size, seed):
    drawn = draw_sample(n_cells, size, seed)
    assert len(drawn) == min(size, n_cells)
    assert (np.diff(drawn) > 0).all()
    assert set(drawn) <= set(draw_sample(n_cells, size + 3, seed)) <= set(draw_sample(n_cells, None, seed))
