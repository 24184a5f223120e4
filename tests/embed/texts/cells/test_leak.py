import numpy as np
import pandas as pd
import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts.cells.context import Cells
from genesem_embed.texts.cells.leak import check_context, check_markers, check_words


def cells(training=None):
    return Cells(
        values=np.zeros((4, 1)),
        coords=np.zeros((4, 2)),
        image=np.array([0, 0, 1, 1]),
        image_names=["a", "b"],
        training=training,
    )


@pytest.mark.parametrize(
    ("picks", "message"),
    [
        ([[2], [0], [3], [2]], "1 neighbours in section near stand in another image"),
        ([[0], [1], [3], [2]], "2 neighbours in section near are the cell itself"),
    ],
    ids=["image", "self"],
)
def test_wrong_neighbours_fail_loudly(picks, message):
    with pytest.raises(InputError, match=message):
        check_context(cells(), {"near": np.array(picks)})


def test_a_test_cell_in_a_training_text_fails_loudly():
    training = np.array([True, False, True, True])
    with pytest.raises(InputError, match="1 neighbours in section near are test cells"):
        check_context(cells(training), {"near": np.array([[1], [0], [-1], [2]])})
    check_context(cells(training), {"near": np.array([[-1], [0], [3], [2]])})


def test_a_strange_word_fails_loudly():
    check_words(["Target: CD3 1) CD8 0.5 -1.0"], ["Target: {sentence}"], ["CD3", "CD8"])
    with pytest.raises(InputError, match="leak: a text has 'Tumour'"):
        check_words(["Target: CD3 Tumour"], ["Target: {sentence}"], ["CD3", "CD8"])


def test_an_annotation_among_the_markers_fails_loudly():
    obs = pd.DataFrame({"type": ["T", "B", "T", "B"], "id": ["1", "2", "3", "4"]})
    values = np.array([[5.0, 1], [7, 1], [5, 2], [7, 2]])
    with pytest.raises(InputError, match="marker code tells obs\\['type'\\] one to one"):
        check_markers(values, ["code", "CD3"], obs)
    check_markers(values[:, 1:], ["CD3"], obs)
