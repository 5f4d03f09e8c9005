"""Sums, means, extremes and norms over dimensions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.reductions import amax, amin, mean, reduced
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.shaping import axis_of
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node

Reduction = Callable[[Builder, Node, list[int], bool], Node]


def _sum(at: Builder, x: Node, axes: list[int], keep: bool) -> Node:
    return reduced(at, "sum_to", x, axes, keep)


def _prod(at: Builder, x: Node, axes: list[int], keep: bool) -> Node:
    """Products of the two halves of what is left, until it is one slice."""
    chosen = sorted({k % x.type.rank for k in axes}) if x.type.rank else []
    rest = [k for k in range(x.type.rank) if k not in chosen]
    kept = [x.type.shape[k] for k in rest]
    y = at.reshape(at.permute(x, *rest, *chosen), (*kept, prod(x.type.shape[k] for k in chosen)))
    axis = len(kept)
    while (many := y.type.shape[axis]) > 1:
        half = many // 2
        parts = [at.build("slice", y, axis=axis, start=k, stop=k + half) for k in (0, half)]
        made = at.build("mul", *parts)
        if many % 2:
            last = at.build("slice", y, axis=axis, start=many - 1, stop=many)
            made = at.build("concat", made, last, axis=axis)
        y = made
    shape = [1 if k in chosen else n for k, n in enumerate(x.type.shape)] if keep else kept
    return at.reshape(y, shape)


REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": mean,
    "ReduceSum": _sum,
    "ReduceMax": amax,
    "ReduceMin": amin,
    "ReduceProd": _prod,
    "ReduceL1": lambda at, x, *rest: _sum(at, at.build("abs", x), *rest),
    "ReduceL2": lambda at, x, *rest: at.build("norm_sqrt", _sum(at, at.build("square", x), *rest)),
    "ReduceSumSquare": lambda at, x, *rest: _sum(at, at.build("square", x), *rest),
    "ReduceLogSum": lambda at, x, *rest: at.build("log", _sum(at, x, *rest)),
    "ReduceLogSumExp": lambda at, x, *rest: at.aten("logsumexp", x, *rest),
}


def _reduce(at: Builder, make: Reduction) -> Node:
    """Axes are an attribute in older versions; none are all, or no dimension where it says so."""
    x, axes = at.input(0), at.given("axes", 1)
    keep = bool(at.attribute("keepdims", 1))
    if at.attribute("noop_with_empty_axes", 0) and not axes:
        raise UnsupportedError("noop_with_empty_axes=1 without axes; allowed: axes")
    rank = x.type.rank
    if any(not -rank <= k < rank for k in axes or ()):
        raise FileError(f"axes {(axes or [])[:8]} of {x.type}")
    return make(at, x, axes or list(range(rank)), keep)


for _name, _make in REDUCTIONS.items():
    onnx(_name)(lambda at, make=_make: _reduce(at, make))


@onnx("CumSum")
def _cumsum(at: Builder) -> Node:
    """An exclusive sum is that of the slices before, after a slice of zeros."""
    x, axis = at.input(0), int(at.number(1, "axis"))
    axis, reverse = axis_of(x, axis), bool(at.attribute("reverse", 0))
    size = x.type.shape[axis]
    turned = at.known_index(np.arange(size)[::-1]) if reverse else None
    x = at.aten("index_select", x, axis, turned) if reverse else x
    if at.attribute("exclusive", 0):
        x = at.build("pad_strided", x, axis=axis, start=1, size=size + 1, step=1)
        x = at.build("slice", x, axis=axis, start=0, stop=size)
    y = at.aten("cumsum", x, axis)
    return at.aten("index_select", y, axis, turned) if reverse else y


def _argument(at: Builder, largest: bool) -> Node:
    """The number, as float32, of the first of the largest elements, or of the last."""
    x = at.input(0)
    axis, keep = axis_of(x, at.attribute("axis", 0)), bool(at.attribute("keepdims", 1))
    last = bool(at.attribute("select_last_index", 0))
    size = x.type.shape[axis]
    best = (amax if largest else amin)(at, x, [axis], True)
    shape = [size if k == axis else 1 for k in range(x.type.rank)]
    number = at.const(np.arange(size).reshape(shape), f"{at.label}.numbers")
    other = at.const(np.full((1,) * x.type.rank, -1 if last else size), f"{at.label}.none")
    found = at.aten("where", at.aten("eq", x, best), number, other)
    return (amax if last else amin)(at, found, [axis], keep)


onnx("ArgMax")(lambda at: _argument(at, True))
onnx("ArgMin")(lambda at: _argument(at, False))
