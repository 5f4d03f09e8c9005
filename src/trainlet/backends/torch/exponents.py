"""Exponents of gradients, one for each experiment; as ops/quantized/gradient/exponent.py.

A search for the first shift that fits tries all of them at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from trainlet.backends.torch.blocks import moved
from trainlet.backends.torch.experiments import aligned, largest
from trainlet.backends.torch.layer import MOST_SHIFTS, bits_before, first_shift
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized.gradient.block import LIMIT
from trainlet.ops.quantized.gradient.exponent import SMALLEST


def _shifts(like: Tensor) -> Tensor:
    return torch.arange(MOST_SHIFTS, device=like.device)


@lowering("exponent_f32")
def exponent_f32(n: Node, x: Tensor) -> Tensor:
    bits = x.contiguous().view(torch.int32).reshape(x.shape[0], -1) & 0x7FFFFFFF
    top = (bits.amax(1) >> 23) - 126
    return top.clamp(min=SMALLEST) - n.attrs["bits"] + 1


@lowering("exponent_scan")
def exponent_scan(n: Node, g: Tensor, e: Tensor) -> Tensor:
    gain, shift, slack, limit = (n.attrs[key] for key in ("gain", "shift", "slack", "limit"))
    bound, s = largest(g)[:, None] * gain, _shifts(g)
    fits = bound + (slack << s) <= limit << s
    fits[:, 0] = bound[:, 0] <= limit
    return (e.long() + shift + first_shift(fits)).to(torch.int32)


@lowering("exponent_layer")
def exponent_layer(n: Node, g: Tensor, r: Tensor, gain: Tensor, e: Tensor) -> Tensor:
    scales = r[:, :-1].to(torch.int32).reshape(1, *[1] * (g.ndim - 2), -1)
    top, s = largest(g.to(torch.int32) * scales)[:, None], _shifts(g)
    top, gains = aligned(top, gain.long()[:, None])
    fits = (top + (1 << bits_before(s[None, :], gains))) * gains <= 32766 << s
    return (e.long() + r[:, -1].long() - 15 + first_shift(fits)).to(torch.int32)


@lowering("exponent_add")
def exponent_add(n: Node, a: Tensor, b: Tensor, ea: Tensor, eb: Tensor) -> Tensor:
    ta, tb, ea, eb = aligned(largest(a), largest(b), ea.long(), eb.long())
    ea, eb = torch.where(ta == 0, eb, ea), torch.where(tb == 0, ea, eb)
    e = torch.maximum(torch.minimum(ea, eb), torch.maximum(ea, eb) - 15)
    tried = e[:, None] + _shifts(a)
    sums = moved(ta[:, None], tried - ea[:, None]) + moved(tb[:, None], tried - eb[:, None])
    fits = sums <= LIMIT[str(a.dtype).removeprefix("torch.")]
    return (e + first_shift(fits)).to(torch.int32)


@lowering("weight_gain")
def weight_gain(n: Node, w: Tensor) -> Tensor:
    """Only taps congruent modulo the stride touch a given input position."""
    a = n.attrs
    size = w.to(torch.int32).abs_().reshape(w.shape[0], a["groups"], -1, *a["view"][1:])
    rests = [
        [d * k % s for k in range(many)]
        for many, d, s in zip(a["view"][1:3], a["dilation"], a["stride"], strict=True)
    ]
    sums = [
        size[:, :, :, _equal(rests[0], y)][:, :, :, :, _equal(rests[1], x)]
        .sum((2, 3, 4), dtype=torch.int32)
        .amax((1, 2))
        for y in set(rests[0])
        for x in set(rests[1])
    ]
    return torch.stack(sums).amax(0).clamp(min=1)


def _equal(rests: list[int], rest: int) -> list[int] | slice:
    """Where the rest is this one."""
    if set(rests) == {rest}:
        return slice(None)
    return [k for k, r in enumerate(rests) if r == rest]
