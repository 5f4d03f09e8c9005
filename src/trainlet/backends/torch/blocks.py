"""Mantissas with an exponent for each experiment; as ops/quantized/gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned, over
from trainlet.backends.torch.layer import power_of_two
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized.gradient.block import LIMIT


def shift_even(x: Tensor, shift: Tensor) -> Tensor:
    """x / 2^shift, rounded, halves to even; int64."""
    some = (shift > 0).long()
    return (x + (((1 << shift) >> 1) - some) + ((x >> shift) & some)) >> shift


def moved(x: Tensor, by: Tensor) -> Tensor:
    """x / 2^by in either direction; to the left by 15 bits at most."""
    return shift_even(x.long() << (-by).clamp(0, 15), by.clamp(0, 30))


def masked(n: Node, g: Tensor, mask: Tensor) -> Tensor:
    """g where the mask is set, else 0; a mask has its elements side by side."""
    g, mask = aligned(g, mask)
    mask = mask.reshape(mask.shape[0], *g.shape[1:])
    if not g.is_floating_point():
        return g * mask
    return (g.view(torch.int32) & -mask.to(torch.int32)).view(torch.float32)


@lowering("mask_bfp")
def mask_bfp(n: Node, g: Tensor, mask: Tensor, e: Tensor) -> Tensor:
    return masked(n, g, mask)


@lowering("leaky_relu_bfp_dx")
def leaky_relu_bfp_dx(n: Node, g: Tensor, mask: Tensor, e: Tensor) -> Tensor:
    g, mask = aligned(g, mask)
    below = shift_even(g.long() * n.attrs["slope"], torch.full((1,), 15, device=g.device))
    return torch.where(mask.reshape(mask.shape[0], *g.shape[1:]), g, below.to(g.dtype))


@lowering("to_bfp")
def to_bfp(n: Node, x: Tensor, e: Tensor) -> Tensor:
    """The nearest mantissa, halves up; NaN becomes zero."""
    limit = LIMIT[n.type.dtype]
    x, power = aligned(x, over(power_of_two(-e), x))
    v = (x * power).nan_to_num(0.0, float("inf"), -float("inf")).clamp(-limit, limit)
    return (v + 0.5).floor().to(getattr(torch, n.type.dtype))


@lowering("from_bfp")
def from_bfp(n: Node, g: Tensor, e: Tensor) -> Tensor:
    return g.float() * over(power_of_two(e), g)


@lowering("add_bfp")
def add_bfp(n: Node, a: Tensor, b: Tensor, ea: Tensor, eb: Tensor, out: Tensor) -> Tensor:
    a, b, ea, eb, out = aligned(a, b, ea.long(), eb.long(), out.long())
    return (moved(a, over(out - ea, a)) + moved(b, over(out - eb, b))).to(a.dtype)


@lowering("larger")
def larger(n: Node, a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(*aligned(a, b))


@lowering("sum_bfp")
def sum_bfp(n: Node, g: Tensor, e: Tensor) -> Tensor:
    total = g.reshape(g.shape[0], -1, g.shape[-1]).sum(1, dtype=torch.int64)
    return total.float() * over(power_of_two(e), total)


@lowering("broadcast_bfp")
def broadcast_bfp(n: Node, g: Tensor, e: Tensor, out: Tensor) -> Tensor:
    shift = over(out.long() - e.long() - n.attrs["shift"], g)
    scaled = shift_even(g.long() * n.attrs["factor"], shift).to(g.dtype)
    shape = n.attrs["shape"]
    scaled = scaled.reshape(scaled.shape[0], *[1] * (len(shape) + 1 - g.ndim), *g.shape[1:])
    return scaled.expand(-1, *shape)
