import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_recall_fscore_support

from genesem_train.cells.scores import class_scores, differences, intervals, patient_confusions, per_class


@pytest.fixture
def answers():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 4, 300)
    predicted = np.where(rng.random(300) < 0.6, targets, rng.integers(0, 4, 300))
    return targets, predicted, rng.integers(0, 10, 300)


def test_scores_are_those_of_scikit_learn(answers):
    targets, predicted, patients = answers
    scores = class_scores(patient_confusions(targets, predicted, patients, 5).sum(axis=0))
    assert scores["accuracy"] == pytest.approx(100 * accuracy_score(targets, predicted))
    assert scores["balanced_accuracy"] == pytest.approx(100 * balanced_accuracy_score(targets, predicted))
    assert scores["f1_macro"] == pytest.approx(100 * f1_score(targets, predicted, average="macro"))


def test_each_class_is_scored_as_by_scikit_learn(answers):
    targets, predicted, patients = answers
    rows = per_class(patient_confusions(targets, predicted, patients, 4).sum(axis=0), list("abcd"))
    expected = precision_recall_fscore_support(targets, predicted)
    for column, name in enumerate(("precision", "recall", "f1")):
        assert [row[name] for row in rows] == pytest.approx(100 * expected[column])


def test_unlabelled_cells_are_left_out():
    counts = patient_confusions(np.array([0, -1]), np.array([0, 1]), np.array([0, 0]), 2)
    assert counts.sum() == 1


def test_the_interval_holds_the_value_and_shrinks_with_patients(answers):
    targets, predicted, patients = answers
    few = intervals(patient_confusions(targets, predicted, patients, 4))["accuracy"]
    many = intervals(patient_confusions(targets, predicted, np.arange(300), 4))["accuracy"]
    assert few.low < few.value < few.high
    # the standard error of a share over 300 independent cells
    spread = 100 * np.sqrt(many.value / 100 * (1 - many.value / 100) / 300)
    assert many.high - many.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_a_method_does_not_differ_from_itself(answers):
    confusions = patient_confusions(*answers, 4)
    gap = differences(confusions, confusions)["f1_macro"]
    assert (gap.value, gap.low, gap.high) == (0.0, 0.0, 0.0)
