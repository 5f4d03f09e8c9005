"""ReLU, ReLU6 and leaky ReLU that keep one bit an element."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from trainlet.torch.functions.bits import pack, unpack
from trainlet.torch.functions.once import Context, once


class _Clamped(Function):
    """Between two bounds; outside and on them the gradient is zero, as PyTorch's is."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, low: float, high: float | None) -> Tensor:
        if ctx.needs_input_grad[0]:
            blocked = x <= low
            if high is not None:
                blocked |= x >= high
            ctx.save_for_backward(pack(blocked))
            ctx.shape = x.shape
        return F.relu(x) if high is None and low == 0 else x.clamp(low, high)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, None, None]:
        (bits,) = ctx.saved_tensors
        return grad.masked_fill(unpack(bits, ctx.shape), 0), None, None


class _Leaky(Function):
    @staticmethod
    def forward(ctx: Context, x: Tensor, slope: float) -> Tensor:
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(pack(x > 0))
            ctx.shape, ctx.slope = x.shape, slope
        return F.leaky_relu(x, slope)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, None]:
        (bits,) = ctx.saved_tensors
        return grad.where(unpack(bits, ctx.shape), grad * ctx.slope), None


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return _Clamped.apply(x, 0.0, None)  # type: ignore[no-any-return]


def hardtanh(x: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    """min(max(x, low), high); ReLU6 with low 0 and high 6."""
    return _Clamped.apply(x, low, high)  # type: ignore[no-any-return]


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """x where it is above 0, else slope * x."""
    return _Leaky.apply(x, slope)  # type: ignore[no-any-return]
