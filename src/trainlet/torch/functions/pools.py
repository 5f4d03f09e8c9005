"""Pooling that keeps its input's shape, or where in its window each maximum was."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from trainlet.torch.functions.once import Context, once

Pair = tuple[int, int]
LARGEST_WINDOW = 256  # positions in a byte


class _AveragePool(Function):
    @staticmethod
    def forward(ctx: Context, x: Tensor, arguments: tuple[Any, ...]) -> Tensor:
        ctx.shape, ctx.arguments = x.shape, arguments
        return F.avg_pool2d(x, *arguments)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, None]:
        unread = grad.new_empty(ctx.shape)
        return torch.ops.aten.avg_pool2d_backward(grad, unread, *ctx.arguments), None


class _AdaptiveAveragePool(Function):
    @staticmethod
    def forward(ctx: Context, x: Tensor, size: Any) -> Tensor:
        ctx.shape = x.shape
        return F.adaptive_avg_pool2d(x, size)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, None]:
        unread = grad.new_empty(ctx.shape)
        return torch.ops.aten._adaptive_avg_pool2d_backward(grad, unread), None


class _MaxPool(Function):
    """Keeps a byte for each maximum: its position in its window."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair,
        ceil: bool,
    ) -> Tensor:  # fmt: skip
        y, flat = F.max_pool2d(
            x, kernel, stride, padding, dilation, ceil_mode=ceil, return_indices=True
        )
        if not ctx.needs_input_grad[0]:
            return y
        top, left = _corners(flat, stride, padding)
        row, column = flat // x.shape[-1] - top, flat % x.shape[-1] - left
        position = row // dilation[0] * kernel[1] + column // dilation[1]
        ctx.save_for_backward(position.to(torch.uint8))
        ctx.shape, ctx.how = x.shape, (kernel, stride, padding, dilation)
        return y

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        (position,) = ctx.saved_tensors
        kernel, stride, padding, dilation = ctx.how
        top, left = _corners(position, stride, padding)
        position = position.long()
        row = top + position // kernel[1] * dilation[0]
        column = left + position % kernel[1] * dilation[1]
        flat = (row * ctx.shape[-1] + column).flatten(-2)
        dx = grad.new_zeros((*ctx.shape[:-2], ctx.shape[-2] * ctx.shape[-1]))
        dx.scatter_add_(-1, flat, grad.flatten(-2))
        return dx.view(ctx.shape), None, None, None, None, None


def _corners(pooled: Tensor, stride: Pair, padding: Pair) -> tuple[Tensor, Tensor]:
    """The row and the column at which each window begins."""
    rows, columns = (torch.arange(n, device=pooled.device) for n in pooled.shape[-2:])
    return (rows * stride[0] - padding[0])[:, None], columns * stride[1] - padding[1]


def avg_pool2d(x: Tensor, *arguments: Any) -> Tensor:
    """`F.avg_pool2d` that keeps no values; kernel, stride, padding, ceil mode, whether the padding
    counts, divisor."""
    return _AveragePool.apply(x, arguments)  # type: ignore[no-any-return]


def adaptive_avg_pool2d(x: Tensor, size: Any) -> Tensor:
    """`F.adaptive_avg_pool2d` that keeps no values."""
    return _AdaptiveAveragePool.apply(x, size)  # type: ignore[no-any-return]


def max_pool2d(
    x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil: bool
) -> Tensor:
    """`F.max_pool2d` that keeps one byte for each value of its result."""
    return _MaxPool.apply(x, kernel, stride, padding, dilation, ceil)  # type: ignore[no-any-return]
