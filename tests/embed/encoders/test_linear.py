"""Matrix products on the CPU: the library is chosen by measuring, and only plain layers are changed."""

import pytest
import torch
from torch import nn

from genesem_embed.encoders import linear
from genesem_embed.encoders.linear import OneDnnLinear, use_fastest_products


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(96, 256), nn.GELU(), nn.Linear(256, 32, bias=False))


def measured(monkeypatch, usual, other):
    """Let the measurement find these seconds, one after the other."""
    found = iter([usual, other])
    monkeypatch.setattr(linear, "_seconds", lambda call: next(found))


def test_the_faster_library_is_taken_and_gives_the_same(network, monkeypatch):
    inputs = torch.randn(2, 17, 96)
    expected = network(inputs)
    measured(monkeypatch, 2.0, 1.0)
    assert use_fastest_products(network) == "onednn"
    assert isinstance(network[0], OneDnnLinear)
    with torch.inference_mode():
        torch.testing.assert_close(network(inputs), expected, atol=1e-5, rtol=0)


def test_equal_speed_keeps_torch(network, monkeypatch):
    measured(monkeypatch, 1.0, 1.0)
    assert use_fastest_products(network) == "torch"
    assert type(network[0]) is nn.Linear


def test_a_library_that_gives_other_numbers_is_not_taken(network, monkeypatch):
    measured(monkeypatch, 2.0, 1.0)
    monkeypatch.setattr(OneDnnLinear, "forward", lambda layer, inputs: nn.functional.linear(inputs, layer.weight))
    assert use_fastest_products(network) == "torch"


def test_other_layers_and_dtypes_are_left_alone(network, monkeypatch):
    class Quantised(nn.Linear):
        """Stands for a layer that brings its own product, as those of bitsandbytes do."""

    layers = nn.Sequential(Quantised(8, 8), nn.Linear(8, 8).bfloat16())
    assert use_fastest_products(layers) == "torch"
    mixed = nn.Sequential(Quantised(96, 96), *network)
    measured(monkeypatch, 2.0, 1.0)
    assert use_fastest_products(mixed) == "onednn"
    assert [type(layer) for layer in mixed if isinstance(layer, nn.Linear)] == [Quantised, OneDnnLinear, OneDnnLinear]


def test_the_choice_is_told(tiny_bert, encoder_of):
    assert encoder_of(tiny_bert).facts["products"] in ("torch", "onednn")


@pytest.mark.parametrize("family", ["tiny_qwen3", "tiny_bert"])
def test_vectors_are_the_same_by_either_library(request, family, encoder_of, collect, tiny_models, monkeypatch):
    found = []
    texts = [*tiny_models.gene_users(7), "x", "MBP"]
    for library, seconds in (("torch", (1.0, 1.0)), ("onednn", (2.0, 1.0))):
        measured(monkeypatch, *seconds)
        encoder = encoder_of(request.getfixturevalue(family), batch_tokens=150)
        assert encoder.facts["products"] == library
        found.append(collect(encoder, texts))
    assert abs(found[0] - found[1]).max() <= 1e-5
