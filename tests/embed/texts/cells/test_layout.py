import numpy as np

from genesem_embed.texts.cells.layout import NEGATIVES, POSITIVES, Sentences, make_slots, write_prompt
from genesem_embed.texts.template import load_template

PARTS = load_template("cell-sentences", "context").parts
SENTENCES = Sentences(target=["T0", "T1", "T2"], context=["A", "B", "C"])
CONTEXT = {
    "similar": np.array([[1, 2], [0, 2], [0, -1]]),
    "near": np.array([[2, 1], [2, 0], [1, 0]]),
    "dissimilar": np.array([[2, -1], [0, 2], [1, 0]]),
    "distant": np.array([[1, 2], [0, -1], [0, 1]]),
}


def test_slots_are_in_the_order_in_which_they_are_kept():
    slots = make_slots(CONTEXT, [*POSITIVES, *NEGATIVES])
    kept = list(zip(slots.section, slots.rank, strict=True))
    assert kept == [
        ("similar", 0), ("near", 0), ("similar", 1), ("near", 1),
        ("dissimilar", 0), ("distant", 0), ("dissimilar", 1), ("distant", 1),
    ]  # fmt: skip


def test_a_whole_prompt():
    slots = make_slots(CONTEXT, [*POSITIVES, *NEGATIVES])
    assert write_prompt(PARTS, SENTENCES, slots, 0, 8).splitlines() == [
        "Target cell: T0",
        "Cells with similar expression: 1) B 2) C",
        "Cells nearby in the tissue: 1) C 2) B",
        "Cells with dissimilar expression: 1) C",
        "Cells far away in the tissue: 1) B 2) C",
        "Cell type and clinical status:",
    ]


def test_sections_without_a_sentence_have_no_heading():
    slots = make_slots(CONTEXT, [*POSITIVES, *NEGATIVES])
    assert write_prompt(PARTS, SENTENCES, slots, 2, 3).splitlines() == [
        "Target cell: T2",
        "Cells with similar expression: 1) A",
        "Cells nearby in the tissue: 1) B",
        "Cell type and clinical status:",
    ]


def test_without_slots_the_target_stands_alone():
    expected = "Target cell: T1\nCell type and clinical status:"
    assert write_prompt(PARTS, SENTENCES, make_slots({}, POSITIVES), 1, 0) == expected
    assert write_prompt(PARTS, SENTENCES, make_slots(CONTEXT, POSITIVES), 1, 0) == expected
