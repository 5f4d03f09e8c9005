"""The operations of TensorFlow Lite's LSTM of integers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned, products
from trainlet.backends.torch.sums import rows
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.quantized import fixed_i16
from trainlet.ops.quantized.fixed_i16 import ONE


def _halves_away(x: Tensor, shift: int) -> Tensor:
    """x / 2^shift, rounded, halves away from zero; int64."""
    mask = (1 << shift) - 1
    return (x >> shift) + ((x & mask) > (mask >> 1) + (x < 0).long()).long()


def _rescaled(x: Tensor, n: Node) -> Tensor:
    """int64 values of 32 bits times the node's factor, rounded twice."""
    shift = n.attrs["shift"]
    x = (x << max(shift, 0)).to(torch.int32).long()
    return _halves_away((x * n.attrs["multiplier"] + (1 << 30)) >> 31, max(-shift, 0))


def _int16(x: Tensor) -> Tensor:
    return x.clamp(-ONE - 1, ONE).to(torch.int16)


@lowering("linear_i16")
def linear_i16(n: Node, x: Tensor, w: Tensor, b: Tensor, before: Tensor | None = None) -> Tensor:
    sums = products(rows(x).double(), w.double().transpose(1, 2)).long()
    sums, bias = aligned(sums, b[:, None])
    y = _rescaled((sums + bias).to(torch.int32).long(), n).reshape(-1, *n.type.shape)
    if before is not None:
        y, before = aligned(y, before)
        y = y + before
    return _int16(y)


def _by_table(name: str, meaning: Callable[[np.ndarray], np.ndarray]) -> None:
    table = meaning(np.arange(-ONE - 1, ONE + 1, dtype=np.int16))

    @lowering(name)
    def function(n: Node, x: Tensor) -> Tensor:
        return torch.from_numpy(table).to(x.device)[x.long() + ONE + 1]


_by_table("sigmoid_i16", fixed_i16.sigmoid)
_by_table("tanh_i16", fixed_i16.tanh)


@lowering("mul_i16")
def mul_i16(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = aligned(a.long(), b.long())
    return _halves_away(a * b, n.attrs["shift"]).to(torch.int16)


@lowering("add_i16")
def add_i16(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = aligned(a.long(), b.long())
    return (a + b).clamp(n.attrs["low"], n.attrs["high"]).to(torch.int16)


@lowering("mul_i16_i8")
def mul_i16_i8(n: Node, a: Tensor, b: Tensor) -> Tensor:
    a, b = aligned(a.long(), b.long())
    return _rescaled(a * b, n).clamp(-128, 127).to(torch.int8)


@lowering("dequantize_i16")
def dequantize_i16(n: Node, x: Tensor) -> Tensor:
    return x.float() * n.attrs["scale"]


@lowering("fill")
def fill(n: Node, like: Tensor) -> Tensor:
    return torch.full(like.shape, n.attrs["value"], device=like.device)


@lowering("less_zero_point")
def less_zero_point(n: Node, b: Tensor, w: Tensor) -> Tensor:
    b, w = aligned(b.long(), w.long())
    return (b - n.attrs["zero"] * w.sum(2)).to(torch.int32)
