"""Strides, dilations and padding of sliding windows, and the pooling operators."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.functions import power
from trainlet.frontends.aten.pooling import averaged, rounded_up
from trainlet.frontends.aten.reductions import amax, mean, reduced
from trainlet.frontends.aten.windows import Pads, Pair
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.file import one_of
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node

KINDS = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def positive(at: Builder, name: str, count: int, default: list[int] | None = None) -> list[int]:
    """An attribute of one positive number for each dimension of the map."""
    found = at.numbers(name, default or [1] * count)
    if found is None or len(found) != count or min(found) < 1:
        raise FileError(f"its {name} is {found}; allowed: {count} positive numbers")
    return found


def pair(values: Sequence[int], missing: int = 1) -> Pair:
    """(height, width) of a map; of a sequence (missing, length)."""
    return (values[0], values[1]) if len(values) == 2 else (missing, values[0])


def border(at: Builder, x: Node, kernel: list[int], step: list[int], reach: list[int]) -> Pads:
    """(top, left, bottom, right); what SAME cannot halve goes to the end, or to the beginning."""
    count = x.type.rank - 2
    kind = one_of(at.attribute("auto_pad", "NOTSET"), KINDS, "auto_pad")
    if kind == "NOTSET":
        found = at.numbers("pads", [0] * 2 * count) or []
        if len(found) != 2 * count or min(found) < 0:
            raise FileError(f"its pads are {found}; allowed: {2 * count} numbers from 0")
        before, after = found[:count], found[count:]
    else:
        at.numbers("pads")
        spots = zip(x.type.shape[2:], kernel, step, reach, strict=True)
        total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in spots]
        total = [0] * count if kind == "VALID" else total
        before = [(t + (kind == "SAME_LOWER")) // 2 for t in total]
        after = [t - b for t, b in zip(total, before, strict=True)]
    return (*pair(before, 0), *pair(after, 0))


def check_rank(x: Node, ranks: Sequence[int] = (3, 4)) -> None:
    if x.type.rank not in ranks:
        raise UnsupportedError(f"its input is {x.type}; allowed: one of {ranks} dimensions")


def _window(at: Builder, x: Node) -> tuple[Pair, Pair, Pads, Pair]:
    check_rank(x)
    count = x.type.rank - 2
    kernel = positive(at, "kernel_shape", count, [0] * count)
    step, reach = positive(at, "strides", count), positive(at, "dilations", count)
    return pair(kernel), pair(step), border(at, x, kernel, step, reach), pair(reach)


@onnx("MaxPool")
def _max_pool(at: Builder) -> Node:
    x = at.input(0)
    size, step, pads, reach = _window(at, x)
    at.attribute("storage_order", 0)  # of the indices, which nobody reads
    if at.attribute("ceil_mode", 0):
        pads = rounded_up(x, size, step, pads, reach)
    return at.channels_last("max_pool", x, kernel=size, stride=step, padding=pads, dilation=reach)


@onnx("AveragePool")
def _average_pool(at: Builder) -> Node:
    x = at.input(0)
    size, step, pads, reach = _window(at, x)
    if reach != (1, 1):
        raise UnsupportedError(f"dilations {reach}; allowed: 1")
    counted, up = (bool(at.attribute(n, 0)) for n in ("count_include_pad", "ceil_mode"))
    return averaged(at, x, size, step, pads, up, counted)


@onnx("LpPool")
def _lp_pool(at: Builder) -> Node:
    """The root of the sum of powers, which is their mean times the size of the window."""
    x, order = at.input(0), at.attribute("p", 2)
    size, step, pads, reach = _window(at, x)
    if reach != (1, 1) or at.attribute("ceil_mode", 0) or order < 1:
        raise UnsupportedError(
            f"dilations {reach}, ceil_mode={at.attribute('ceil_mode', 0)}, p={order}; allowed: 1, "
            "0, from 1"
        )
    powers = power(at, at.build("abs", x), order)
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
