from genesem_train.report.facts import identity, notes, slide_facts
from genesem_train.report.scores import ahead, differences, score_table


def names(metrics):
    return [name for name, _, _ in score_table(metrics).rows]


def test_the_headline_the_consensus_and_the_baseline_stand_together(report_inputs):
    table = score_table(report_inputs(300).metrics)
    assert [name for name, _, _ in table.rows[:4]] == [
        "semst, mean ± sd of 3 seeds",
        "semst, consensus",
        "baseline smooth-pca, mean ± sd of 3 seeds",
        "baseline smooth-pca, best of 50 starts",
    ]
    assert [cells[0] for _, _, cells in table.rows[:4]] == ["61.2 ± 2.0", "61.2", "74.1 ± 3.1", "75.3"]
    assert [name for name, _ in table.columns] == ["ARI", "NMI", "ACC", "F1 macro", "F1 weighted"]


def test_a_result_of_before_baselines_had_seeds_is_still_shown(report_inputs):
    metrics = report_inputs(300).metrics
    old = metrics | {"baseline": {"smooth-pca": metrics["mean"] | {"ari": 75.3}}}
    assert [row for row in score_table(old).rows if row[1] == "baseline"] == [
        ("baseline smooth-pca", "baseline", ["75.3", *score_table(old).rows[1][2][1:]])
    ]
    assert ahead(old) == [("smooth-pca", 75.3, 61.2)]


def test_an_oracle_is_shown_only_when_given_and_is_named_so(report_inputs):
    metrics = report_inputs(300).metrics
    assert not any("oracle" in name for name in names(metrics))
    assert names(metrics | {"oracle": {"ari": 80.0, "note": "best epoch by labels"}})[-1] == (
        "oracle: best epoch by labels"
    )


def test_without_labels_the_label_free_scores_are_shown(report_inputs):
    table = score_table(report_inputs(300, labelled=False).metrics)
    assert [name for name, _ in table.columns] == ["silhouette", "CHAOS", "PAS"]


def test_a_baseline_that_wins_is_said_to_win(report_inputs):
    inputs = report_inputs(300)
    assert ahead(inputs.metrics) == [("smooth-pca", 74.1, 61.2)]
    assert any("smooth-pca is ahead of semst" in note for note in notes(inputs))


def test_a_difference_is_said_with_its_interval_and_whether_it_is_one():
    found = {"pca": {"value": 20.0, "low": 8.0, "high": 31.0}, "smooth-pca": {"value": -1.8, "low": -5.2, "high": 0.3}}
    first, second = differences({"over_baseline": found})
    assert first == "The consensus minus pca: +20.0 points of ARI (95 % over blocks of tissue: +8.0 to +31.0)."
    assert second.endswith("(95 % over blocks of tissue: -5.2 to +0.3), so this slide does not tell them apart.")


def test_notes_say_what_is_not_known(report_inputs):
    bare = report_inputs(300, n_seeds=1, labelled=False, semantics=False)
    said = " ".join(notes(bare))
    assert "One seed only" in said
    assert "No column of labels was named" in said
    assert identity(bare)["collection"].startswith("none")
    assert slide_facts(bare)["spots"] == "300"
