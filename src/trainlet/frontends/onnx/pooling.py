"""Pooling operators."""

from __future__ import annotations

from math import prod

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.functions import power
from trainlet.frontends.aten.pooling import averaged, rounded_up
from trainlet.frontends.aten.reductions import amax, mean, reduced
from trainlet.frontends.aten.windows import Pads, Pair
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.geometry import border, check_rank, pair, positive
from trainlet.frontends.onnx.table import onnx
from trainlet.frontends.onnx.volumes import RANK, average_pool, max_pool
from trainlet.ir.graph import Node


def _window(at: Builder, x: Node) -> tuple[Pair, Pair, Pads, Pair]:
    check_rank(x)
    count = x.type.rank - 2
    kernel = positive(at, "kernel_shape", count, [0] * count)
    step, reach = positive(at, "strides", count), positive(at, "dilations", count)
    return pair(kernel), pair(step), border(at, x, kernel, step, reach), pair(reach)


@onnx("MaxPool")
def _max_pool(at: Builder) -> Node:
    x = at.input(0)
    at.attribute("storage_order", 0)  # of the indices, which nobody reads
    if x.type.rank == RANK:
        return max_pool(at, x)
    size, step, pads, reach = _window(at, x)
    if at.attribute("ceil_mode", 0):
        pads = rounded_up(x, size, step, pads, reach)
    return at.channels_last("max_pool", x, kernel=size, stride=step, padding=pads, dilation=reach)


@onnx("AveragePool")
def _average_pool(at: Builder) -> Node:
    x = at.input(0)
    if x.type.rank == RANK:
        return average_pool(at, x)
    size, step, pads, reach = _window(at, x)
    if reach != (1, 1):
        raise UnsupportedError(f"dilations {reach}; allowed: 1")
    counted, up = (bool(at.attribute(n, 0)) for n in ("count_include_pad", "ceil_mode"))
    return averaged(at, x, size, step, pads, up, counted)


@onnx("LpPool")
def _lp_pool(at: Builder) -> Node:
    """The root of the sum of powers, which is their mean times the size of the window."""
    x, order, up = at.input(0), at.attribute("p", 2), at.attribute("ceil_mode", 0)
    reach = positive(at, "dilations", x.type.rank - 2)
    if set(reach) != {1} or up or order < 1:
        raise UnsupportedError(
            f"dilations {reach}, ceil_mode={up}, p={order}; allowed: 1, 0, from 1"
        )
    powers = power(at, at.build("abs", x), order)
    if x.type.rank == RANK:
        size = positive(at, "kernel_shape", 3, [0, 0, 0])
        means = average_pool(at, powers, counted=True)
    else:
        size, step, pads, _ = _window(at, x)
        means = averaged(at, powers, size, step, pads, False, True)
    return power(at, at.build("scale", means, factor=float(prod(size))), 1 / order)


def _spots(x: Node) -> list[int]:
    return list(range(2, x.type.rank))


onnx("GlobalAveragePool")(lambda at: mean(at, at.input(0), _spots(at.input(0)), True))
onnx("GlobalMaxPool")(lambda at: amax(at, at.input(0), _spots(at.input(0)), True))


@onnx("GlobalLpPool")
def _global_lp_pool(at: Builder) -> Node:
    x, order = at.input(0), at.attribute("p", 2)
    powers = power(at, at.build("abs", x), order)
    return power(at, reduced(at, "sum_to", powers, _spots(x), True), 1 / order)
