"""Between real and quantised values, and the clamp's mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainlet.backends.torch.experiments import aligned
from trainlet.backends.torch.fixed_point import clamped
from trainlet.backends.torch.table import lowering
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.ops.quantized.cast import FAR
from trainlet.ops.quantized.lookup import all_bytes


def looked_up(table: np.ndarray, x: Tensor) -> Tensor:
    """What a table in the order of `all_bytes` has for each byte of x."""
    return torch.from_numpy(table).to(x.device)[x.to(torch.int32) & 255]


@lowering("quantize")
def quantize(n: Node, x: Tensor) -> Tensor:
    """The nearest integer, halves away from zero; NaN becomes the lowest value."""
    v = x / x.new_tensor(n.attrs["scale"])
    v = torch.where(v > -FAR, v, -FAR).clamp(max=FAR)
    whole = v.trunc()
    away = torch.where((v - whole).abs() >= 0.5, v.sign(), 0.0)
    return clamped((whole + away).long(), n)


@lowering("dequantize")
def dequantize(n: Node, x: Tensor) -> Tensor:
    return (x.to(torch.int32) - n.attrs["zero_point"]).float() * n.attrs["scale"]


@lowering("requantize_i8", "leaky_relu_i8")
def bytes_to_bytes(n: Node, x: Tensor) -> Tensor:
    """By a table of the op's results for all 256 values of a byte."""
    return looked_up(OPS[n.op].eval(all_bytes(), **n.attrs), x)


@lowering("clamp_mask_i8")
def clamp_mask_i8(n: Node, y: Tensor) -> Tensor:
    """One bool per element, not packed."""
    return (y > n.attrs["low"]) & (y < n.attrs["high"])


@lowering("lookup_i8")
def lookup_i8(n: Node, x: Tensor, table: Tensor) -> Tensor:
    table, at = aligned(table, x.flatten(1).long() & 255)
    size = max(len(table), len(at))
    found = table.expand(size, -1).gather(1, at.expand(size, -1))
    return found.reshape(size, *x.shape[1:])


@lowering("channel_scale")
def channel_scale(n: Node, q: Tensor) -> Tensor:
    multiplier, shift = q[:, 0].double(), q[:, 1].double()
    return (multiplier * torch.exp2(shift - 31) * n.attrs["factor"]).float()
