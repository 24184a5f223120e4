import pytest
import torch
from scipy import sparse

from genesem_train.losses import blocked_loss, zinb_nll
from genesem_train.losses.blocks import nonzeros
from genesem_train.sparse import SparseMatrix

SPOTS, GENES, HIDDEN = 23, 11, 5


def block_loss(outputs, entries):
    return zinb_nll(entries, outputs, form="released")


@pytest.fixture
def case():
    values = SparseMatrix.from_scipy(sparse.random(SPOTS, GENES, 0.3, random_state=0, format="csr"))
    generator = torch.Generator().manual_seed(0)
    shapes = [(SPOTS, HIDDEN), (3 * GENES, HIDDEN), (3 * GENES,)]
    return values, [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def test_blocks_hold_the_non_zero_values(case):
    values, _ = case
    block = torch.zeros(4 * GENES)
    entries = nonzeros(values, 8, 12)
    block[entries.index] = entries.value
    assert torch.equal(block.view(4, GENES), values.matrix.to_dense()[8:12])


@pytest.mark.parametrize("rows", [1, 7, SPOTS, 100])
def test_blocked_is_unblocked(case, rows):
    values, (hidden, weight, bias) = case
    plain = block_loss(hidden @ weight.T + bias, nonzeros(values, 0, SPOTS))
    expected = torch.autograd.grad(3 * plain, (hidden, weight, bias))
    blocked = blocked_loss(hidden, weight, bias, values, block_loss, block_entries=rows * GENES)
    found = torch.autograd.grad(3 * blocked, (hidden, weight, bias))
    assert float(blocked.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)
