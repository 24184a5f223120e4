import numpy as np
import pytest

from genesem_embed.texts.cells.sentences import Wording, write_sentences

VALUES = np.array([[1.0, 3.0, 2.0], [2.0, 2.0, 2.0], [-1.0, -0.04, -3.0], [5.0, 6.0, 7.0]])
ALL = np.ones((4, 3), dtype=bool)
SOME = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]], dtype=bool)


def sentences(content="ranks", shown=ALL, top=None, separator=" "):
    return write_sentences(
        VALUES, shown, ["A", "B", "C"], Wording(content=content, separator=separator, empty="-"), top
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (sentences(), ["B C A", "A B C", "B A C", "C B A"]),
        (sentences(top=2, separator=", "), ["B, C", "A, B", "B, A", "C, B"]),
        (sentences(shown=SOME), ["B A", "B C", "B A C", "-"]),
        (sentences("values", top=2), ["B 3.0 C 2.0", "A 2.0 B 2.0", "A -1.0 B 0.0", "B 6.0 C 7.0"]),
        (sentences("filler", shown=SOME, top=2), ["A B", "A B", "A B", "-"]),
    ],
    ids=["all", "top", "shown", "values", "filler"],
)
def test_sentences_by_hand(found, expected):
    assert found == expected
