"""Updates: each makes the new value of the leaf that is its first input.

Real values descend in the C kernels' order of operations; quantised ones with quantisation-aware
scaling in their own integer units, with a seed for each experiment.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from trainlet.backends.torch.eager import in_pieces, prepared
from trainlet.backends.torch.experiments import aligned, over
from trainlet.backends.torch.layer import power_of_two
from trainlet.backends.torch.sums import rows
from trainlet.backends.torch.table import find_lowering, lowering
from trainlet.ir.graph import Node
from trainlet.ir.storage import Planes
from trainlet.ir.types import LARGEST
from trainlet.ops.quantized.random import GOLDEN
from trainlet.ops.quantized.update import FARTHEST
from trainlet.ops.squares import gradient_of_example

_FAR = float(FARTHEST)


def _less(p: Tensor, step: Tensor) -> Tensor:
    """p - step, which may be narrower."""
    p, step = aligned(p, step)
    made = p.expand(max(len(p), len(step)), *p.shape[1:]).clone()
    made[:, *(slice(n) for n in step.shape[1:])] -= step
    return made


@lowering("sgd", "sgd_keeping")
def sgd(n: Node, p: Tensor, g: Tensor, lr: Tensor) -> Tensor:
    return _less(p, over(lr, g) * g)


@lowering("momentum")
def momentum(n: Node, m: Tensor, g: Tensor) -> Tensor:
    return m * n.attrs["factor"] + g


@lowering("moment1")
def moment1(n: Node, m: Tensor, g: Tensor) -> Tensor:
    return m + (g - m) * (1 - n.attrs["beta"])


@lowering("moment2")
def moment2(n: Node, v: Tensor, g: Tensor) -> Tensor:
    return v * n.attrs["beta"] + g * (1 - n.attrs["beta"]) * g


@lowering("decay")
def decay(n: Node, power: Tensor) -> Tensor:
    return power * n.attrs["factor"]


@lowering("accumulate")
def accumulate(n: Node, total: Tensor, g: Tensor) -> Tensor:
    return total + g * n.attrs["factor"]


@lowering("add_fisher")
def add_fisher(n: Node, total: Tensor, x: Tensor, g: Tensor) -> Tensor:
    return _squares(total, (x * g).reshape(len(x), x.shape[1], -1, x.shape[-1]).sum(2))


@lowering("add_fisher_i8")
def add_fisher_i8(n: Node, total: Tensor, x: Tensor, g: Tensor, e: Tensor) -> Tensor:
    products = (x.long() - n.attrs["zero"]) * g
    dots = products.reshape(len(x), x.shape[1], -1, x.shape[-1]).sum(2).float()
    return _squares(total, dots * over(n.attrs["scale"] * power_of_two(e), dots))


@lowering("sum_squares", "sum_squares_i8")
def sum_squares(n: Node, total: Tensor, g: Tensor, x: Tensor, *e: Tensor) -> Tensor:
    gradient = gradient_of_example(n)
    for k in range(x.shape[1]):
        dw = find_lowering(gradient)(gradient, g[:, k : k + 1], x[:, k : k + 1], *e)
        total = _squares(total, rows(dw))
    return total


def _squares(total: Tensor, dots: Tensor) -> Tensor:
    """The squares [E, many, channels], added one after the other."""
    for one in dots.unbind(1):
        total = total + one * one
    return total


@lowering("clear")
def clear(n: Node, total: Tensor) -> Tensor:
    return torch.zeros_like(total)


@lowering("count")
def count(n: Node, step: Tensor) -> Tensor:
    return step + 1


def _sqrt(x: Tensor) -> Tensor:
    """Correctly rounded, which torch's own float32 root is not everywhere."""
    return x.double().sqrt().float()


def _root(n: Node, v: Tensor, power2: Tensor) -> Tensor:
    return _sqrt(v) / over(_sqrt(1.0 - power2), v) + n.attrs["eps"]


@lowering("adam")
def adam(
    n: Node, p: Tensor, m: Tensor, v: Tensor, power1: Tensor, power2: Tensor, lr: Tensor
) -> Tensor:
    return _less(p, over(lr / (1.0 - power1), m) * m / _root(n, v, power2))


@lowering("adam_direction")
def adam_direction(n: Node, m: Tensor, v: Tensor, power1: Tensor, power2: Tensor) -> Tensor:
    return m / over(1.0 - power1, m) / _root(n, v, power2)


@lowering("rmsprop_direction")
def rmsprop_direction(n: Node, g: Tensor, v: Tensor) -> Tensor:
    g, v = aligned(g, v)
    return g / (_sqrt(v) + n.attrs["eps"])


def _mix(x: Tensor) -> Tensor:
    """Scramble uint32 values, held in int32: products wrap, shifts are made logical."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - (1 << 32)
    x ^= (x >> 16) & 0xFFFF
    return x


def uniform24(seed: Tensor, step: Tensor, tensor: int, counter: Tensor) -> Tensor:
    """For seeds and steps int64 [E] and counters int32 [many]: 0..2^24-1, int32 [E, many]."""
    start = _mix((seed + step * GOLDEN).to(torch.int32))
    key = _mix((start.long() ^ tensor).to(torch.int32))
    return (_mix(key[:, None] + counter) >> 8) & 0xFFFFFF


def counters(shape: tuple[int, ...], gradient: tuple[int, ...], device: torch.device) -> Tensor:
    """What an element of the gradient adds to the key, by its index in the whole parameter."""
    index = torch.arange(prod(shape), device=device).reshape(shape)
    trained = index[tuple(slice(k) for k in gradient)].reshape(-1)
    return (trained * GOLDEN).to(torch.int32)


def _to_integer(n: Node, value: Tensor, step: Tensor, counter: Tensor, seed: Tensor) -> Tensor:
    """value float32 [E, many], overwritten, rounded as the node says, int32."""
    value = value.nan_to_num_(0.0, _FAR, -_FAR).clamp_(-_FAR, _FAR)
    if n.attrs["rounding"] == "truncate":
        return value.to(torch.int32)
    if n.attrs["rounding"] == "nearest":
        return value.add_(0.5).floor_().to(torch.int32)
    below = value.floor()
    draw = uniform24(seed, step.long(), n.attrs["tensor"], counter)
    up = draw.float().mul_(2.0**-24) < value.sub_(below)
    return below.to(torch.int32).add_(up)


def _moves(
    n: Node, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor,
    shape: tuple[int, ...], unit: int,
) -> Tensor:  # fmt: skip
    """Integer steps int32 [E, *gradient] in 1 / unit of a parameter of this shape."""
    axis = n.attrs["axis"] + 1
    factor = lr[:, None] * inverse[:, : g.shape[axis]] * unit
    channels = (factor.shape[1] if k == axis else 1 for k in range(1, g.ndim))
    g, factor = aligned(g, factor.reshape(factor.shape[0], *channels))
    counter = prepared(inverse, g.shape[1:], lambda i: counters(shape, g.shape[1:], i.device))
    value = (g * factor).neg_()
    return _to_integer(n, value.flatten(1), step, counter, seed).reshape(value.shape)


@lowering("sgd_i8", "sgd_wide")
@in_pieces
def sgd_integers(
    n: Node, p: Tensor, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor
) -> Tensor:
    move = _moves(n, g, inverse, lr, step, seed, p.shape[1:], 1)
    limit = LARGEST[str(p.dtype).removeprefix("torch.")]
    made = p.expand(move.shape[0], *p.shape[1:]).clone()
    part = made[:, *(slice(k) for k in g.shape[1:])]
    part.copy_((part.long() + move).clamp_(-limit, limit))
    return made


@lowering("add_delta")
def add_delta(n: Node, base: Tensor, delta: Tensor) -> Tensor:
    limit = LARGEST["int32"]
    return (base.long() + delta).clamp_(-limit, limit).to(torch.int32)


@lowering("sgd_planes")
@in_pieces
def sgd_planes(
    n: Node, p: Tensor, g: Tensor, inverse: Tensor, lr: Tensor, step: Tensor, seed: Tensor
) -> Tensor:
    planes: Planes = n.attrs["planes"]
    unit, shape, size = 1 << planes.bits, planes.tensor.shape, planes.tensor.size
    move = _moves(n, g, inverse, lr, step, seed, shape, unit)
    made = p.expand(move.shape[0], -1).clone()
    part = made[:, :size].unflatten(1, shape)[:, *(slice(k) for k in g.shape[1:])]
    wide = move.add_(part.to(torch.int32) * unit)
    wide += _fractions(made[:, size:], planes).reshape(wide.shape)
    wide.clamp_(-127 * unit, 127 * unit)
    high = (wide + unit // 2) >> planes.bits
    part.copy_(high)
    made[:, size:] = _packed((wide - high * unit).flatten(1), planes)
    return made


def _fractions(low: Tensor, planes: Planes) -> Tensor:
    """The fractional bits of the trained elements, [E, many]."""
    if planes.bits == 4:
        low = low.view(torch.uint8).to(torch.int32)
        low = (torch.stack([low & 15, low >> 4], 2).flatten(1) ^ 8) - 8
    return low[:, : planes.rows * planes.columns]


def _packed(low: Tensor, planes: Planes) -> Tensor:
    """The inverse of `_fractions`, int8 bytes."""
    if planes.bits == 8:
        return low.to(torch.int8)
    nibbles = low.new_zeros((low.shape[0], 2 * planes.low_bytes))
    nibbles[:, : low.shape[1]] = low & 15
    return (nibbles[:, ::2] | nibbles[:, 1::2] << 4).to(torch.uint8).view(torch.int8)


@lowering("add_to_class")
def add_to_class(n: Node, sums: Tensor, features: Tensor, labels: Tensor) -> Tensor:
    """Row by row, in the kernel's order of additions."""
    many = max(len(sums), len(features), len(labels))
    made = sums.expand(many, *sums.shape[1:]).clone()
    for k in range(n.inputs[1].type.shape[0]):
        row = features[:, k : k + 1].expand(many, 1, -1)
        made.scatter_add_(1, labels[:, k, None, None].long().expand(row.shape), row)
    return made
