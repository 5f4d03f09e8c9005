"""Operators on float32: the float32 parts of int8 networks, and whole float32 networks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainlet.backends.torch.blocks import masked
from trainlet.backends.torch.experiments import aligned, fitted
from trainlet.backends.torch.functions import (
    gelu_slope_f32,
    gelu_tanh_f32,
    gelu_tanh_slope_f32,
    normal_cdf_f32,
    sigmoid_f32,
    tanh_f32,
)
from trainlet.backends.torch.pool import areas, winner
from trainlet.backends.torch.sums import repeated_axes, sum_to
from trainlet.backends.torch.table import LOWERINGS, lowering
from trainlet.backends.torch.windows import Window, folded, unfolded
from trainlet.ir.graph import Node


@lowering("add")
def add(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = fitted(a, b)
    return a + b


@lowering("sub")
def sub(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = fitted(a, b)
    return a - b


@lowering("mul")
def mul(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = fitted(a, b)
    return a * b


@lowering("mul_sum")
def mul_sum(n: Node, g: Tensor, x: Tensor) -> Tensor:
    g, x = fitted(g, x)
    return sum_to(g * x, n.attrs["shape"])


@lowering("scale")
def scale(n: Node, x: Tensor) -> Tensor:
    return x * n.attrs["factor"]


@lowering("offset")
def offset(n: Node, x: Tensor) -> Tensor:
    return x + n.attrs["term"]


@lowering("sum_to")
def sum_to_(n: Node, x: Tensor, before: Tensor | None = None) -> Tensor:
    total = sum_to(x, n.attrs["shape"]) * n.attrs.get("factor", 1.0)
    return total if before is None else before + total


@lowering("max_to")
def max_to(n: Node, x: Tensor) -> Tensor:
    axes = repeated_axes(x, n.attrs["shape"])
    largest = x.amax(axes, keepdim=True) if axes else x
    return largest.reshape(x.shape[0], *n.attrs["shape"])


@lowering("broadcast_to")
def broadcast_to(n: Node, x: Tensor) -> Tensor:
    scaled, shape = x * n.attrs.get("factor", 1.0), n.attrs["shape"]
    ones = [1] * (len(shape) + 1 - x.ndim)
    return scaled.reshape(x.shape[0], *ones, *x.shape[1:]).expand(-1, *shape)


CLIPPED: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "relu": (lambda x: x.clamp(min=0), float("inf")),
    "relu6": (lambda x: x.clamp(0, 6), 6.0),
    "hard_sigmoid": (lambda x: (x + 3.0).clamp(0, 6) * (1 / 6), 1.0),
}
"""Each clipped function, and its largest value."""


def _hard_swish_slope(x: Tensor) -> Tensor:
    return torch.where(x <= -3, 0.0, torch.where(x < 3, x * (1 / 3) + 0.5, 1.0))


def _silu_slope(x: Tensor) -> Tensor:
    s = sigmoid_f32(x)
    return s * (1 + x * (1 - s))


SMOOTH: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "sigmoid": (sigmoid_f32, lambda y: y * (1 - y)),
    "tanh": (tanh_f32, lambda y: 1 - y * y),
    "silu": (lambda x: x * sigmoid_f32(x), _silu_slope),
    "gelu": (lambda x: x * normal_cdf_f32(x), gelu_slope_f32),
    "gelu_tanh": (gelu_tanh_f32, gelu_tanh_slope_f32),
    "hard_swish": (lambda x: x * (x + 3.0).clamp(0, 6) * (1 / 6), _hard_swish_slope),
}
"""The function, and its slope: of the result for sigmoid and tanh, else of the input."""


def _register_activations() -> None:
    for name, (function, top) in CLIPPED.items():
        LOWERINGS[name] = lambda n, x, f=function: f(x)
        LOWERINGS[f"{name}_mask"] = lambda n, y, top=top: (y > 0) & (y < top)
    for name, (function, slope) in SMOOTH.items():
        LOWERINGS[name] = lambda n, x, f=function: f(x)
        LOWERINGS[f"{name}_dx"] = lambda n, g, v, s=slope: torch.mul(*aligned(g, s(v)))


_register_activations()


@lowering("leaky_relu")
def leaky_relu(n: Node, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * n.attrs["slope"])


@lowering("leaky_relu_dx")
def leaky_relu_dx(n: Node, g: Tensor, mask: Tensor) -> Tensor:
    g, mask = aligned(g, mask)
    return torch.where(mask.reshape(mask.shape[0], *g.shape[1:]), g, g * n.attrs["slope"])


@lowering("clip")
def clip(n: Node, x: Tensor) -> Tensor:
    return x.clamp(min=n.attrs["low"]).clamp(max=n.attrs["high"])


@lowering("clip_mask")
def clip_mask(n: Node, x: Tensor) -> Tensor:
    low, high = n.attrs["low"], n.attrs["high"]
    return (x >= low) & (x <= high) if n.attrs["inclusive"] else (x > low) & (x < high)


@lowering("mask_dx")
def mask_dx(n: Node, g: Tensor, mask: Tensor) -> Tensor:
    return masked(n, g * n.attrs["slope"], mask)


@lowering("max_pool")
def max_pool(n: Node, x: Tensor) -> Tensor:
    window = Window.of(n, (x.shape[2], x.shape[3]))
    padded = window.padded(folded(x), -float("inf"))
    return unfolded(window.patches(padded).amax((3, 4)), x.shape[0])


@lowering("max_pool_winner")
def max_pool_winner(n: Node, x: Tensor) -> Tensor:
    return winner(n, x, -float("inf"))


@lowering("avg_pool")
def avg_pool(n: Node, x: Tensor) -> Tensor:
    window = Window.of(n, (x.shape[2], x.shape[3]))
    area = areas(window, x)
    if n.attrs["count_padding"]:
        area = torch.full_like(area, window.kernel[0] * window.kernel[1])
    total = window.patches(window.padded(folded(x))).sum((3, 4))
    return unfolded(total / area, x.shape[0])


@lowering("normalize_rstd")
def normalize_rstd(n: Node, x: Tensor) -> Tensor:
    return _rstd(n, x).reshape(x.shape[0], *n.type.shape)


def _view(n: Node, x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], *n.attrs["view"])


def _rstd(n: Node, x: Tensor) -> Tensor:
    variance = _view(n, x).var((2, 4), correction=0, keepdim=True)
    return 1 / (variance + n.attrs["eps"]).sqrt()


@lowering("normalize")
def normalize(n: Node, x: Tensor) -> Tensor:
    v = _view(n, x)
    return ((v - v.mean((2, 4), keepdim=True)) * _rstd(n, x)).reshape(x.shape)


@lowering("normalize_dx")
def normalize_dx(n: Node, g: Tensor, xhat: Tensor, rstd: Tensor) -> Tensor:
    g, xhat, rstd = aligned(g, xhat, rstd)
    gv, xv = _view(n, g), _view(n, xhat)
    centred = gv - gv.mean((2, 4), keepdim=True)
    along = (gv * xv).mean((2, 4), keepdim=True)
    dx = (centred - xv * along) * rstd.reshape(rstd.shape[0], gv.shape[1], 1, gv.shape[3], 1)
    return dx.reshape(-1, *n.type.shape)
