import numpy as np
import pytest
import torch

from genesem_train.cells.heads import class_weights
from genesem_train.cells.networks import AttentionPool, CellHeads

BAGS = torch.tensor([0, 1, 0, 1, 1])


@pytest.fixture
def pool():
    torch.manual_seed(0)
    return AttentionPool(4, 3)


@pytest.mark.parametrize(("kind", "n_status"), [("mlp", 2), ("linear", 2), ("mlp", 0)])
def test_heads_give_one_row_a_cell_and_a_gradient(kind, n_status):
    heads = CellHeads(6, 5, n_status, kind=kind, hidden=8)
    logits = heads(torch.randn(7, 6))
    assert logits.types.shape == (7, 5)
    assert logits.status.shape == (7, n_status)
    (logits.types.sum() + logits.status.sum()).backward()
    assert all(parameter.grad is not None for parameter in heads.parameters())


def test_attention_sums_to_one_in_each_bag(pool):
    weights = pool.weights(torch.randn(5, 4), BAGS, 2)
    assert torch.zeros(2).index_add(0, BAGS, weights.detach()).numpy() == pytest.approx([1.0, 1.0])


def test_equal_cells_get_equal_attention_and_pool_to_themselves(pool):
    cells = torch.ones(5, 4)
    assert pool.weights(cells, BAGS, 2).detach().numpy() == pytest.approx([0.5, 1 / 3, 0.5, 1 / 3, 1 / 3])
    assert torch.allclose(pool(cells, BAGS, 2), pool.head(torch.ones(2, 4)))


def test_a_bag_does_not_depend_on_the_order_of_its_cells(pool):
    cells, order = torch.randn(5, 4), torch.tensor([4, 2, 0, 3, 1])
    assert torch.allclose(pool(cells, BAGS, 2), pool(cells[order], BAGS[order], 2), atol=1e-6)


def test_a_bag_does_not_depend_on_other_bags(pool):
    cells = torch.randn(5, 4)
    changed = torch.where(BAGS[:, None] == 1, torch.randn(5, 4) * 50, cells)
    assert torch.allclose(pool(cells, BAGS, 2)[0], pool(changed, BAGS, 2)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"), [("none", [1, 1, 0]), ("balanced", [0.625, 2.5, 0]), ("sqrt", [5 / 6, 5 / 3, 0])]
)
def test_class_weights_average_to_one_over_the_cells(kind, expected):
    codes = np.array([0, 0, 0, 0, 1, -1])
    weights = class_weights(codes, 3, kind).numpy()
    assert weights == pytest.approx(np.array(expected), rel=1e-6)
    assert weights[codes[codes >= 0]].mean() == pytest.approx(1.0)
