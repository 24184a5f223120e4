"""Matrix products of a network on the CPU: by oneDNN where it is measured to be faster than torch's usual library.

torch multiplies float32 matrices on a CPU by MKL, which keeps to AVX2 on processors that Intel did not make; oneDNN,
which is part of torch as well, uses all they have. Both are float32 throughout: results differ in their last bits.
"""

import time
from collections.abc import Callable
from typing import Literal, TypeGuard

import torch
from torch import Tensor, nn

Library = Literal["torch", "onednn"]

_ROWS = 512
# What oneDNN has to gain before it is taken: where the two are equal, every run should choose the same.
_MARGIN = 1.15
_AGREE = 1e-4


class OneDnnLinear(nn.Linear):
    """A linear layer whose product is made by oneDNN, from the weights as they are."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the layer's output."""
        found: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return found


def use_fastest_products(network: nn.Module) -> Library:
    """Let the linear layers of `network` use the faster library, and return which one that is.

    Only plain float32 layers on the CPU are changed; quantised ones bring products of their own.
    """
    layers: list[nn.Linear] = [layer for layer in network.modules() if _is_plain(layer)]
    if not layers or not _onednn_is_faster(max(layers, key=lambda layer: layer.weight.numel())):
        return "torch"
    for layer in layers:
        layer.__class__ = OneDnnLinear
    return "onednn"


def _is_plain(layer: nn.Module) -> TypeGuard[nn.Linear]:
    return type(layer) is nn.Linear and layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32


@torch.inference_mode()
def _onednn_is_faster(layer: nn.Linear) -> bool:
    """Measure both on the largest layer; a torch whose oneDNN is absent or gives other numbers keeps its own way."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    inputs = torch.randn(_ROWS, layer.in_features, generator=torch.Generator().manual_seed(0))
    try:
        found = OneDnnLinear.forward(layer, inputs)  # type: ignore[arg-type]
    except RuntimeError:
        return False
    expected = layer(inputs)
    if not torch.allclose(found, expected, rtol=0.0, atol=_AGREE * float(expected.abs().max().clamp(min=1.0))):
        return False
    usual, other = (_seconds(call) for call in (lambda: layer(inputs), lambda: OneDnnLinear.forward(layer, inputs)))  # type: ignore[arg-type]
    return usual > _MARGIN * other


def _seconds(call: Callable[[], Tensor]) -> float:
    """Return the least time of a few calls."""
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)
