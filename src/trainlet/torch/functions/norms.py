"""Norms that keep their normalised input in 8 bits, or nothing where their backward pass reads
nothing of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from trainlet.torch.functions.once import Context, once

LARGEST = 127


class _Normalized(Function):
    """Group norm and layer norm: each row of `x.reshape(rows, -1)` has a mean and a deviation.

    The normalised input is kept as it is, or as integers with one step a row.
    """

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor | None, bias: Tensor | None, rows: int, eps: float,
        int8: bool,
    ) -> Tensor:  # fmt: skip
        flat = x.reshape(rows, -1)
        inverse = torch.rsqrt(flat.var(1, unbiased=False, keepdim=True) + eps)
        normal = (flat - flat.mean(1, keepdim=True)) * inverse
        if any(ctx.needs_input_grad[:2]):
            kept, step = _kept(normal, 1) if int8 else (normal, None)
            ctx.save_for_backward(kept, step, inverse, weight)
        ctx.shape, ctx.biases = x.shape, None if bias is None else bias.shape
        y = normal.view(x.shape)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        needs = ctx.needs_input_grad
        db = grad.sum_to_size(ctx.biases) if needs[2] else None
        if not any(needs[:2]):
            return None, None, db, None, None, None
        kept, step, inverse, weight = ctx.saved_tensors
        normal = kept if step is None else kept.to(grad.dtype) * step
        dx = dw = None
        if needs[0]:
            scaled = (grad if weight is None else grad * weight).reshape(normal.shape)
            along = (scaled * normal).mean(1, keepdim=True)
            dx = (scaled - scaled.mean(1, keepdim=True) - normal * along) * inverse
            dx = dx.view(ctx.shape)
        if needs[1] and weight is not None:
            dw = (grad * normal.view(ctx.shape)).sum_to_size(weight.shape)
        return dx, dw, db, None, None, None


def _kept(normal: Tensor, dims: int | tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Integers and their step, one for what remains of the shape without the dimensions."""
    step = normal.abs().amax(dims, keepdim=True) / LARGEST
    step = step.clamp_min(torch.finfo(normal.dtype).tiny)
    return (normal / step).round_().to(torch.int8), step


class _FrozenBatchNorm(Function):
    """Frozen statistics and a frozen weight: the backward pass reads the model's own tensors."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None,
        bias: Tensor | None, eps: float,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(variance, weight)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        variance, weight = ctx.saved_tensors
        scale = torch.rsqrt(variance + ctx.eps)
        scale = scale if weight is None else scale * weight
        dx = grad * scale.view(-1, *[1] * (grad.dim() - 2)) if ctx.needs_input_grad[0] else None
        db = _over_channels(grad) if ctx.needs_input_grad[4] else None
        return dx, None, None, None, db, None


class _BatchNormInt8(Function):
    """Frozen statistics, and a weight that learns: its gradient reads the normalised input."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor,
        bias: Tensor | None, eps: float,
    ) -> Tensor:  # fmt: skip
        normal = F.batch_norm(x, mean, variance, None, None, False, 0.0, eps)
        kept, step = _kept(normal, (0, *range(2, x.dim())))
        ctx.save_for_backward(kept, step, variance, weight)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        kept, step, variance, weight = ctx.saved_tensors
        scale = (torch.rsqrt(variance + ctx.eps) * weight).view(step.shape)
        dx = grad * scale if ctx.needs_input_grad[0] else None
        dw = _over_channels(grad * (kept.to(grad.dtype) * step))
        db = _over_channels(grad) if ctx.needs_input_grad[4] else None
        return dx, None, None, dw, db, None


def _over_channels(t: Tensor) -> Tensor:
    return t.sum((0, *range(2, t.dim())))


def group_norm(
    x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float,
    int8: bool = True,
) -> Tensor:  # fmt: skip
    """`F.group_norm` that keeps its normalised input, in 8 bits by default."""
    along = (-1, *[1] * (x.dim() - 2))
    weight = None if weight is None else weight.view(along)
    bias = None if bias is None else bias.view(along)
    return _Normalized.apply(x, weight, bias, x.shape[0] * groups, eps, int8)  # type: ignore[no-any-return]


def layer_norm(
    x: Tensor, shape: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float,
    int8: bool = True,
) -> Tensor:  # fmt: skip
    """`F.layer_norm` that keeps its normalised input, in 8 bits by default."""
    rows = x.numel() // torch.Size(shape).numel()
    return _Normalized.apply(x, weight, bias, rows, eps, int8)  # type: ignore[no-any-return]


def frozen_batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor | None, bias: Tensor | None,
    eps: float,
) -> Tensor:  # fmt: skip
    """Batch norm with frozen statistics and a frozen weight; keeps nothing of its input."""
    return _FrozenBatchNorm.apply(x, mean, variance, weight, bias, eps)  # type: ignore[no-any-return]


def batch_norm_int8(
    x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor | None, eps: float
) -> Tensor:
    """Batch norm with frozen statistics and a weight that learns; keeps its normalised input in 8
    bits."""
    return _BatchNormInt8.apply(x, mean, variance, weight, bias, eps)  # type: ignore[no-any-return]
