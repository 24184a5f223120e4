import numpy as np

from genesem_train.graphs import graph_within, spatial_graph


def test_slides_in_one_fit_share_no_edge():
    rng = np.random.default_rng(0)
    coords, slide = rng.uniform(size=(60, 2)), rng.integers(0, 2, 60)
    graph = graph_within(slide, lambda rows: spatial_graph(coords[rows], kind="knn", k=4))
    rows, columns = graph.nonzero()
    assert np.array_equal(slide[rows], slide[columns])
    alone = spatial_graph(coords[slide == 1], kind="knn", k=4)
    assert (graph[slide == 1][:, slide == 1] != alone).nnz == 0


def test_groups_may_have_names():
    coords = np.arange(6.0)[:, None] * [1, 0]
    graph = graph_within(np.array(list("ababab")), lambda rows: spatial_graph(coords[rows], kind="knn", k=1))
    assert {(int(a), int(b)) for a, b in zip(*graph.nonzero(), strict=True) if a < b} == {
        (0, 2),
        (2, 4),
        (1, 3),
        (3, 5),
    }
