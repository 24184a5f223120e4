import numpy as np
import pytest

from genesem_train.cells.cohort import UNKNOWN
from genesem_train.cells.reading import read_cohort
from genesem_train.errors import ConfigError

KEYS = {"label_key": "cell_type", "status_key": "status", "group_key": "patient"}


def test_cells_become_codes_and_unknown_stays_unknown(slide):
    cohort = read_cohort(slide, **KEYS)
    assert cohort.type_names == ["B", "T", "macrophage", "tumour"]
    assert cohort.patient_names[:2] == ["p00", "p01"]
    assert cohort.patient_status[:3].tolist() == [UNKNOWN, 0, 1]
    assert len(np.unique(cohort.images)) == 24
    assert [cohort.type_names[code] for code in cohort.types[:3]] == slide.obs["cell_type"][:3].tolist()


def test_without_a_status_there_are_no_status_classes(slide):
    cohort = read_cohort(slide, label_key="cell_type", status_key=None, group_key="patient")
    assert cohort.status_names == []
    assert (cohort.status == UNKNOWN).all()


def test_a_status_that_varies_within_a_patient_is_named(slide):
    slide.obs.loc["cell40", "status"] = "relapse"
    with pytest.raises(ConfigError, match="varies within 1 patients .first: p01."):
        read_cohort(slide, **KEYS)


@pytest.mark.parametrize("key", ["label_key", "status_key", "group_key", "image_key"])
def test_a_missing_column_is_named_with_those_that_are_there(slide, key):
    with pytest.raises(ConfigError, match="no column 'nope'; found: cell_type, status, patient, image"):
        read_cohort(slide, **{**KEYS, key: "nope"})


def test_one_class_is_nothing_to_learn(slide):
    slide.obs["cell_type"] = "tumour"
    with pytest.raises(ConfigError, match=r"1 classes \(tumour\); expected at least 2"):
        read_cohort(slide, **KEYS)
