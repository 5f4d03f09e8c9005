"""Updates: each makes the new value of the leaf that is its first input.

Real values descend in the C kernels' order of operations; quantised ones with quantisation-aware
scaling in their own integer units, with a seed for each experiment.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from trainlet.ir.graph import Node
from trainlet.ir.storage import Planes
from trainlet.ops.quantized.random import GOLDEN, MASK
from trainlet.ops.quantized.update import FARTHEST, LIMIT
from trainlet.run.batched.lead import aligned, over
from trainlet.run.batched.table import meaning


def _less(p: Tensor, step: Tensor) -> Tensor:
    """p - step, which may be narrower."""
    p, step = aligned(p, step)
    made = p.expand(max(len(p), len(step)), *p.shape[1:]).clone()
    made[:, *(slice(n) for n in step.shape[1:])] -= step
    return made


@meaning("sgd")
def sgd(n: Node, p: Tensor, g: Tensor, lr: Tensor) -> Tensor:
    return _less(p, over(lr, g) * g)


@meaning("momentum")
def momentum(n: Node, m: Tensor, g: Tensor) -> Tensor:
    return m * n.attrs["factor"] + g


@meaning("moment1")
def moment1(n: Node, m: Tensor, g: Tensor) -> Tensor:
    return m + (g - m) * (1 - n.attrs["beta"])


@meaning("moment2")
def moment2(n: Node, v: Tensor, g: Tensor) -> Tensor:
    return v * n.attrs["beta"] + g * (1 - n.attrs["beta"]) * g


@meaning("decay")
def decay(n: Node, power: Tensor) -> Tensor:
    return power * n.attrs["factor"]


@meaning("accumulate")
def accumulate(n: Node, total: Tensor, g: Tensor) -> Tensor:
    return total + g * n.attrs["factor"]


@meaning("clear")
def clear(n: Node, total: Tensor) -> Tensor:
    return torch.zeros_like(total)


@meaning("count")
def count(n: Node, step: Tensor) -> Tensor:
    return step + 1


def _sqrt(x: Tensor) -> Tensor:
    """Correctly rounded, which torch's own float32 root is not everywhere."""
    return x.double().sqrt().float()


def _root(n: Node, v: Tensor, power2: Tensor) -> Tensor:
    return _sqrt(v) / over(_sqrt(1.0 - power2), v) + n.attrs["eps"]


@meaning("adam")
def adam(
    n: Node, p: Tensor, m: Tensor, v: Tensor, power1: Tensor, power2: Tensor, lr: Tensor
) -> Tensor:
    return _less(p, over(lr / (1.0 - power1), m) * m / _root(n, v, power2))


@meaning("adam_direction")
def adam_direction(n: Node, m: Tensor, v: Tensor, power1: Tensor, power2: Tensor) -> Tensor:
    return m / over(1.0 - power1, m) / _root(n, v, power2)


def _mix(x: Tensor) -> Tensor:
    """Scramble uint32 values, held in int64: products wrap, and their low 32 bits are right."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & MASK
    x = x ^ (x >> 15)
    x = (x * (0x846CA68B - (1 << 32))) & MASK
    return x ^ (x >> 16)


def uniform24(seed: Tensor, step: Tensor, tensor: int, element: Tensor) -> Tensor:
    """seed, step int64 [lead], element int64 [many]: integers in 0..2^24-1, [lead, many]."""
    key = _mix(_mix((seed + step * GOLDEN) & MASK) ^ tensor)
    counter = (element * GOLDEN) & MASK
    return _mix((key[:, None] + counter) & MASK) >> 8


def _to_integer(n: Node, value: Tensor, step: Tensor, element: Tensor, seed: Tensor) -> Tensor:
    """value float32 [lead, many] rounded as the node says, int64."""
    far = float(FARTHEST)
    value = value.nan_to_num(0.0, far, -far).clamp(-far, far)
    if n.attrs["rounding"] == "truncate":
        return value.trunc().long()
    if n.attrs["rounding"] == "nearest":
        return (value + 0.5).floor().long()
    below = value.floor()
    draw = uniform24(seed, step.long(), n.attrs["tensor"], element)
    return below.long() + (draw.float() * 2.0**-24 < value - below)


def _moves(
    n: Node, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor,
    shape: tuple[int, ...], unit: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(index in the parameter, integer steps [lead, many]) of all trained elements."""
    index = torch.arange(prod(shape), device=g.device).reshape(shape)
    index = index[tuple(slice(k) for k in g.shape[1:])].reshape(-1)
    axis = n.attrs["axis"] + 1
    factor = lr[:, None] * inverse[:, : g.shape[axis]] * unit
    channels = (factor.shape[1] if k == axis else 1 for k in range(1, g.ndim))
    factor = factor.reshape(factor.shape[0], *channels)
    g, factor = aligned(g, factor)
    value = -(g * factor)
    return index, _to_integer(n, value.reshape(value.shape[0], -1), step, index, seed)


@meaning("sgd_i8", "sgd_i32")
def sgd_integers(
    n: Node, p: Tensor, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor
) -> Tensor:
    index, move = _moves(n, g, inverse, lr, step, seed, p.shape[1:], 1)
    limit = LIMIT[str(p.dtype).removeprefix("torch.")]
    flat = p.reshape(p.shape[0], -1).expand(move.shape[0], -1)
    if move.shape[1] == flat.shape[1]:
        return (flat.long() + move).clamp_(-limit, limit).to(p.dtype).reshape(-1, *p.shape[1:])
    made = flat.clone()
    made[:, index] = (flat[:, index].long() + move).clamp_(-limit, limit).to(p.dtype)
    return made.reshape(-1, *p.shape[1:])


@meaning("sgd_planes")
def sgd_planes(
    n: Node, p: Tensor, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor
) -> Tensor:
    planes: Planes = n.attrs["planes"]
    unit = 1 << planes.bits
    index, move = _moves(n, g, inverse, lr, step, seed, planes.tensor.shape, unit)
    size = planes.tensor.size
    made = p.expand(move.shape[0], -1).clone()
    wide = made[:, index].long() * unit + _fractions(made[:, size:], planes)
    wide = (wide + move).clamp(-127 * unit, 127 * unit)
    high = (wide + unit // 2) >> planes.bits
    made[:, index] = high.to(torch.int8)
    made[:, size:] = _packed(wide - high * unit, planes)
    return made


def _fractions(low: Tensor, planes: Planes) -> Tensor:
    """The fractional bits of the trained elements, int64 [lead, many]."""
    if planes.bits == 4:
        low = low.view(torch.uint8).long()
        low = (torch.stack([low & 15, low >> 4], 2).flatten(1) ^ 8) - 8
    return low[:, : planes.rows * planes.columns].long()


def _packed(low: Tensor, planes: Planes) -> Tensor:
    """The inverse of `_fractions`, int8 bytes."""
    if planes.bits == 8:
        return low.to(torch.int8)
    nibbles = low.new_zeros((low.shape[0], 2 * planes.low_bytes))
    nibbles[:, : low.shape[1]] = low & 15
    return (nibbles[:, ::2] | nibbles[:, 1::2] << 4).to(torch.uint8).view(torch.int8)
