"""Convolutions and linear layers that keep of their input the channels whose weights learn."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from trainlet.torch.functions.once import Context, like, once


@dataclass(frozen=True)
class Window:
    """The arguments of `torch.convolution` after the bias."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int

    @property
    def arguments(self) -> tuple:
        return (
            list(self.stride), list(self.padding), list(self.dilation), self.transposed,
            list(self.output_padding), self.groups,
        )  # fmt: skip


class _Convolution(Function):
    """The weight learns nowhere, or for the input channels (for the groups, if there are any) of
    `keep`.  The gradient of the input is that of the whole weight."""

    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, keep: Tensor | None,
        window: Window,
    ) -> Tensor:  # fmt: skip
        part = None if keep is None else _take(x, 1, keep, window.groups)
        ctx.save_for_backward(weight, keep, part)
        ctx.shape, ctx.window, ctx.biases = x.shape, window, None if bias is None else bias.shape
        return torch.convolution(x, weight, bias, *window.arguments)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        weight, keep, part = ctx.saved_tensors
        needs = ctx.needs_input_grad
        mask = [needs[0], False, needs[2]]
        dx, _, db = torch.ops.aten.convolution_backward(
            grad, like(grad, ctx.shape), weight, ctx.biases, *ctx.window.arguments, mask
        )
        dw = None
        if needs[1] and keep is not None:
            dw = _weight_gradient(grad, part, weight, keep, ctx.window)
        return dx, dw, db, None, None


def _weight_gradient(
    grad: Tensor, part: Tensor, weight: Tensor, keep: Tensor, window: Window
) -> Tensor:
    """As large as the weight, with zeros where nothing learns."""
    grouped = window.groups > 1
    narrow = replace(window, groups=len(keep)) if grouped else window
    axis = 0 if grouped else 1
    some = _take(weight, axis, keep, window.groups)
    near = _take(grad, 1, keep, window.groups) if grouped else grad
    _, dw, _ = torch.ops.aten.convolution_backward(
        near, part, some, None, *narrow.arguments, [False, True, False]
    )
    return _put(weight, axis, keep, dw)


def _take(t: Tensor, axis: int, keep: Tensor, groups: int) -> Tensor:
    """The channels of an axis; of a grouped one those of the groups."""
    if groups == 1:
        return t.index_select(axis, keep)
    parts = t.unflatten(axis, (groups, -1))
    return parts.index_select(axis, keep).flatten(axis, axis + 1)


def _put(like_this: Tensor, axis: int, keep: Tensor, dw: Tensor) -> Tensor:
    whole = torch.zeros_like(like_this)
    if axis == 0:
        width = dw.shape[0] // len(keep)
        whole.unflatten(0, (-1, width)).index_copy_(0, keep, dw.unflatten(0, (-1, width)))
    else:
        whole.index_copy_(axis, keep, dw)
    return whole


class _Linear(Function):
    @staticmethod
    def forward(
        ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, keep: Tensor
    ) -> Tensor:
        ctx.save_for_backward(weight, keep, x.index_select(-1, keep))
        return F.linear(x, weight, bias)

    @staticmethod
    @once
    def backward(ctx: Context, grad: Tensor) -> tuple:
        weight, keep, part = ctx.saved_tensors
        needs, rows = ctx.needs_input_grad, grad.reshape(-1, grad.shape[-1])
        dx = grad @ weight if needs[0] else None
        dw = None
        if needs[1]:
            dw = _put(weight, 1, keep, rows.T @ part.reshape(-1, len(keep)))
        return dx, dw, rows.sum(0) if needs[2] else None, None


def convolution(
    x: Tensor, weight: Tensor, bias: Tensor | None, keep: Tensor | None, window: Window
) -> Tensor:
    """A convolution whose weight learns for the input channels (groups) `keep`; None: nowhere."""
    return _Convolution.apply(x, weight, bias, keep, window)  # type: ignore[no-any-return]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, keep: Tensor) -> Tensor:
    """A linear layer whose weight learns for the input channels `keep`."""
    return _Linear.apply(x, weight, bias, keep)  # type: ignore[no-any-return]
