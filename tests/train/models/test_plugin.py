"""The example in the docstring of `FineGrainedModulation` is what a reader would copy, so it is what is run here."""

import doctest

import torch

from genesem_train.models import FineGrainedModulation


def test_the_ten_lines_of_the_docstring_make_a_network_that_learns():
    (example,) = doctest.DocTestFinder(recurse=False).find(FineGrainedModulation)
    network_class = example.examples[2].source
    assert network_class.startswith("class MyNetwork(torch.nn.Module):")
    assert len([line for line in network_class.splitlines() if line.strip()]) <= 10
    names = {"FineGrainedModulation": FineGrainedModulation}
    for one in example.examples[:3]:
        exec(one.source, names)

    torch.manual_seed(0)
    network = names["MyNetwork"](30)
    edges = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2]])
    values, semantics = torch.rand(4, 30), torch.rand(4, 384)
    rebuilt, latent = network(values, edges, semantics)
    loss = (rebuilt - values).square().mean()
    loss.backward()
    assert (rebuilt.shape, latent.shape) == ((4, 30), (4, 16))
    assert all(part.grad is not None for part in network.parameters())
    with torch.no_grad():
        for part in network.parameters():
            part -= 0.1 * part.grad
        assert (network(values, edges, semantics)[0] - values).square().mean() < loss
        # the latent follows the semantics of its own spot alone
        other = semantics.clone()
        other[2] += 1
        moved = (network(values, edges, other)[1] != network(values, edges, semantics)[1]).any(dim=1)
    assert moved.tolist() == [False, False, True, False]
