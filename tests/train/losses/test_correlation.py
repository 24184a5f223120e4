import numpy as np
import pytest
import torch

from genesem_train.losses import correlation_loss

SPATIAL = torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64)
FEATURE = torch.tensor([[3.0, 4.0], [0.0, 3.0]], dtype=torch.float64)
# Columns: (1, 0), (0, 2) against (3, 0), (4, 3): cosines [[1, 0.8], [0, 0.6]].


def test_paper_form_by_hand():
    assert float(correlation_loss(SPATIAL, FEATURE, form="paper")) == pytest.approx((0.8**2 + 0.4**2) / 4)


def test_released_form_by_hand():
    assert float(correlation_loss(SPATIAL, FEATURE, form="released")) == pytest.approx(0.4**2 / 2 + 0.8**2 / 2)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_equal_orthogonal_views_cost_nothing(form):
    view = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).normal(size=(9, 4)))[0])
    assert float(correlation_loss(view, 2 * view, form=form)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_gradient_against_finite_differences(form):
    generator = torch.Generator().manual_seed(0)
    views = [torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: correlation_loss(a, b, form=form), views)
