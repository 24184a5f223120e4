import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genesem_embed.texts.cells import neighbours
from genesem_embed.texts.cells.costs import block_costs, make_points
from genesem_embed.texts.cells.neighbours import NONE, extreme_cells, in_both

COORDS = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.integers(0, 3))


def naive(points, window, *, farthest=False):
    costs = block_costs(points, np.arange(len(points.vectors)))
    rows = []
    for row, line in enumerate(costs):
        allowed = [cell for cell in range(len(line)) if cell != row]
        ranked = sorted(allowed, key=lambda cell: (-line[cell] if farthest else line[cell], cell))
        ranked = (ranked + [NONE] * window[1])[: window[1]]
        rows.append(ranked[window[0] - 1 :])
    return np.array(rows)


@given(coords=COORDS, first=st.integers(1, 3), more=st.integers(0, 3), farthest=st.booleans())
def test_equals_the_naive_search(coords, first, more, farthest):
    points, window = make_points(coords, "euclidean"), (first, first + more)
    found = extreme_cells(points, window, farthest=farthest)
    np.testing.assert_array_equal(found, naive(points, window, farthest=farthest))


@pytest.mark.parametrize("entries", [1, 7, 100])
def test_blocks_do_not_matter(monkeypatch, entries):
    points = make_points(np.random.default_rng(0).normal(size=(23, 5)), "cosine")
    whole = extreme_cells(points, (1, 3))
    monkeypatch.setattr(neighbours, "_BLOCK_ENTRIES", entries)
    np.testing.assert_array_equal(extreme_cells(points, (1, 3)), whole)


def test_a_cell_among_coincident_cells_is_never_its_own_neighbour():
    found = extreme_cells(make_points(np.zeros((4, 2)), "euclidean"), (1, 2))
    assert found.tolist() == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_in_both_keeps_the_order_of_the_second():
    first, second = np.array([[1, 2, 3], [4, 5, NONE]]), np.array([[3, 9, 1], [7, 8, NONE]])
    assert in_both(first, second).tolist() == [[3, 1, NONE], [NONE, NONE, NONE]]
