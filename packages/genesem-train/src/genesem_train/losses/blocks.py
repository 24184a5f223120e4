"""Decoder heads and likelihood over all spots, block by block, gradients at once.

The heads' outputs are as large as the slide times three. Because the likelihood is the end of the graph, the gradient
of a block is known as soon as its value is: it is taken in the forward pass and the block is forgotten, so memory does
not grow with spots times genes and nothing is computed twice.

A block is as large as matrix products like it. The likelihood goes over it in pieces, because each of its many steps
makes an array: small ones stay in the cache and are not asked of the system and given back every time.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genesem_train.losses.zinb import NonZeros
from genesem_train.sparse import SparseMatrix

BLOCK_ENTRIES = 2**19
"""Spots times genes of a block."""
PIECES = 4
"""Of a block on the CPU; a GPU takes blocks whole."""

BlockLoss = Callable[[Float[Tensor, "spot outputs"], NonZeros], Float[Tensor, ""]]
"""From the outputs of the heads for a block of spots, and their non-zero values, to the summed loss."""


def blocked_loss(
    hidden: Float[Tensor, "spot hidden_dim"],
    weight: Float[Tensor, "outputs hidden_dim"],
    bias: Float[Tensor, " outputs"],
    values: SparseMatrix,
    loss: BlockLoss,
    *,
    block_entries: int = BLOCK_ENTRIES,
) -> Float[Tensor, ""]:
    """Return the sum of `loss` over all spots, differentiable in `hidden`, `weight` and `bias`."""
    rows_per_block = max(1, block_entries // values.shape[1])
    total: Tensor = _BlockedLoss.apply(hidden, weight, bias, values, loss, rows_per_block)  # type: ignore[no-untyped-call]
    return total


def nonzeros(values: SparseMatrix, start: int, stop: int) -> NonZeros:
    """Return the non-zero values of the spots from `start` to `stop`."""
    pointers = values.matrix.crow_indices()[start : stop + 1]
    entries = slice(int(pointers[0]), int(pointers[-1]))
    row = torch.repeat_interleave(torch.arange(len(pointers) - 1, device=pointers.device), pointers.diff())
    index = row * values.shape[1] + values.matrix.col_indices()[entries]
    return NonZeros(index=index, value=values.matrix.values()[entries])


class _BlockedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (torch's context)
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        values: SparseMatrix,
        loss: BlockLoss,
        rows_per_block: int,
    ) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        gradients = [torch.zeros_like(part) for part in (hidden, weight, bias)]
        room = hidden.new_empty(min(rows_per_block, len(hidden)), len(weight))
        for start in range(0, len(hidden), rows_per_block):
            rows = hidden[start : start + rows_per_block]
            outputs = torch.addmm(bias, rows, weight.T, out=room[: len(rows)])
            total += _put_slopes(outputs, values, start, loss)
            gradients[0][start : start + rows_per_block] = outputs @ weight
            gradients[1].addmm_(outputs.T, rows)
            gradients[2] += outputs.sum(dim=0)
        ctx.save_for_backward(*gradients)
        return total.to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 (torch's context)
        return *(grad_output * gradient for gradient in ctx.saved_tensors), None, None, None


def _put_slopes(outputs: Tensor, values: SparseMatrix, start: int, loss: BlockLoss) -> Tensor:
    """Return the loss of the spots from `start` on; their `outputs` are replaced by its gradient."""
    total = torch.zeros((), dtype=torch.float64, device=outputs.device)
    rows_per_piece = -(-len(outputs) // (PIECES if outputs.device.type == "cpu" else 1))
    for first in range(0, len(outputs), rows_per_piece):
        piece = outputs[first : first + rows_per_piece]
        leaf = piece.detach().requires_grad_()
        with torch.enable_grad():
            value = loss(leaf, nonzeros(values, start + first, start + first + len(piece)))
        (slope,) = torch.autograd.grad(value, leaf)
        piece.copy_(slope)
        total += value.detach()
    return total
