import torch

from genesem_train.losses import NonZeros, squared_error


def test_is_the_squared_distance_to_the_dense_values():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(4, 5, generator=generator)
    values = torch.randn(4, 5, generator=generator).relu()
    index = values.flatten().nonzero()[:, 0]
    found = squared_error(outputs, NonZeros(index=index, value=values.flatten()[index]))
    assert torch.allclose(found, (outputs - values).square().sum())


def test_gradient_against_finite_differences():
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(4, 5, generator=generator, dtype=torch.float64).requires_grad_()
    entries = NonZeros(index=torch.tensor([0, 7, 13]), value=torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda found: squared_error(found, entries), [outputs])
