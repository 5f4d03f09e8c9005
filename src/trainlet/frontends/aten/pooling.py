"""Pooling and means."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.aten.windows import pads, spatial
from trainlet.frontends.importer import Importer, pair
from trainlet.ir.graph import Node


@aten("max_pool2d", "max_pool1d")
def _max_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> Node:
    _reject_ceil(ceil_mode)
    size, step, reach = (spatial(x, v) for v in (kernel, stride or kernel, dilation))
    border = pads(x, padding)
    return at.channels_last("max_pool", x, kernel=size, stride=step, padding=border, dilation=reach)


@aten("avg_pool2d", "avg_pool1d")
def _avg_pool(
    at: Importer,
    x: Node,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Node:
    _reject_ceil(ceil_mode)
    if divisor_override:
        raise UnsupportedError(f"average pooling with divisor_override={divisor_override}")
    size, step = (spatial(x, v) for v in (kernel, stride or kernel))
    attrs = {"kernel": size, "stride": step, "padding": pads(x, padding)}
    return at.channels_last("avg_pool", x, **attrs, count_padding=count_include_pad)


def _reject_ceil(ceil_mode: bool) -> None:
    if ceil_mode:
        raise UnsupportedError("pooling with ceil_mode=True; pad the input instead")


@aten("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool1d")
def _adaptive_avg_pool(at: Importer, x: Node, out: Sequence[int]) -> Node:
    size = x.type.shape[2:]
    goal = pair(out) if x.type.rank == 4 else pair(out)[:1]
    if set(goal) == {1}:
        return _mean(at, x, range(2, x.type.rank), True)
    if all(n % m == 0 for n, m in zip(size, goal, strict=True)):
        return _avg_pool(at, x, [n // m for n, m in zip(size, goal, strict=True)])
    return at.channels_last("adaptive_avg_pool", x, out=spatial(x, goal))


@aten("adaptive_max_pool2d", "adaptive_max_pool1d")
def _adaptive_max_pool(at: Importer, x: Node, out: Sequence[int]) -> list[Node]:
    size = x.type.shape[2:]
    goal = pair(out)[: len(size)]
    if any(n % m for n, m in zip(size, goal, strict=True)):
        raise UnsupportedError(f"adaptive max pooling of {size} to {goal}: must divide evenly")
    return [_max_pool(at, x, [n // m for n, m in zip(size, goal, strict=True)])]


@aten("mean")
def _mean(
    at: Importer,
    x: Node,
    dims: Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: object = None,
) -> Node:
    axes = {d % x.type.rank for d in (dims if dims else range(x.type.rank))}
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.type.shape))
    y = at.build("sum_to", x, shape=kept, factor=1 / prod(x.type.shape[k] for k in axes))
    if keepdim:
        return y
    return at.reshape(y, [n for k, n in enumerate(x.type.shape) if k not in axes])
