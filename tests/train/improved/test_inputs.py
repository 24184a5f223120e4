import numpy as np
import pytest
import torch

from genesem_train.graphs import spatial_graph
from genesem_train.improved.inputs import field_inputs, field_inputs_like, lazy_mean
from genesem_train.improved.transforms import FieldTransforms


def test_lazy_mean_by_hand():
    graph = spatial_graph(np.array([[0.0, 0], [1, 0], [3, 0]]), kind="knn", k=1)
    expected = [[0.4, 0.6, 0], [0.3, 0.4, 0.3], [0, 0.6, 0.4]]
    assert np.allclose(lazy_mean(graph, 0.4).toarray(), expected)


def test_prepared_slide(slide):
    counts, coords = slide
    prepared = field_inputs(counts, coords)
    inputs, view = prepared.inputs, prepared.inputs.spatial.matrix.to_dense()
    assert inputs.field.shape == (200, 30)
    assert float(inputs.field.std(dim=0, correction=0).max()) == pytest.approx(1, abs=1e-5)
    assert torch.allclose(view.sum(dim=1), torch.ones(200))
    assert torch.allclose(view.diagonal(), torch.tensor(prepared.transforms.own_share, dtype=torch.float32))
    assert torch.allclose(inputs.values.matrix.to_dense(), view @ torch.from_numpy(counts.toarray()), atol=1e-4)
    assert float(prepared.genes.share.sum()) == pytest.approx(1)


def test_without_slack_a_component_has_one_of_the_strengths_that_it_has_with_it(slide):
    usual, tight = (field_inputs(*slide, slack=slack).transforms.shares for slack in (1.0, 0.0))
    assert ((tight > 0).sum(axis=1) == 1).all()
    assert (usual[tight > 0] > 0).all()
    assert ((usual > 0).sum(axis=1) > 1).any()


def test_slides_in_one_fit_are_no_neighbours(slide):
    slide_of = np.arange(200) % 2
    inputs = field_inputs(*slide, slide_of=slide_of).inputs
    assert np.array_equal(slide_of[inputs.edges[0]], slide_of[inputs.edges[1]])
    for view in (inputs.spatial, inputs.feature):
        rows, columns = view.matrix.to_dense().nonzero().T
        assert np.array_equal(slide_of[rows], slide_of[columns])


@pytest.mark.parametrize("semantic_dim", [40, None])
def test_what_was_learnt_prepares_the_same_slide_alike(slide, semantic_dim):
    semantics = None if semantic_dim is None else np.random.default_rng(1).normal(size=(200, semantic_dim))
    learnt = field_inputs(*slide, semantics)
    transforms = FieldTransforms.from_tensors({**learnt.transforms.tensors(), "another/name": torch.zeros(1)})
    again = field_inputs_like(transforms, *slide, semantics)
    assert np.allclose(again.field, learnt.field, atol=1e-9)
    for name in ("values", "spatial", "feature"):
        one, two = (getattr(prepared.inputs, name).matrix.to_dense() for prepared in (learnt, again))
        assert torch.allclose(one, two, atol=1e-5), name
    if semantics is not None:
        assert torch.allclose(again.inputs.semantics, learnt.inputs.semantics, atol=1e-5)


def test_nothing_is_learnt_of_a_slide_to_come(slide):
    """Half as many counts of every spot, another order, a half of the tissue: the transforms stay what they were."""
    counts, coords = slide
    transforms = field_inputs(counts, coords).transforms
    left = np.flatnonzero(coords[:, 0] <= 0.5)
    found = field_inputs_like(transforms, counts[left], coords[left])
    assert found.transforms is transforms
    assert found.inputs.field.shape == (len(left), 30)
    # the first component tells the halves apart, so one half by itself lies to one side of 0
    assert abs(np.sign(found.field[:, 0]).mean()) > 0.8


def test_a_missing_tensor_is_named(slide):
    tensors = field_inputs(*slide).transforms.tensors()
    del tensors["field/shares"]
    with pytest.raises(KeyError, match="shares"):
        FieldTransforms.from_tensors(tensors)
