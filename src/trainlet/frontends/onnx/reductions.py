"""Sums, means, extremes and norms over dimensions."""

from __future__ import annotations

from collections.abc import Callable

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.aten.reductions import amax, amin, mean, reduced
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node

Reduction = Callable[[Builder, Node, list[int], bool], Node]


def _sum(at: Builder, x: Node, axes: list[int], keep: bool) -> Node:
    return reduced(at, "sum_to", x, axes, keep)


REDUCTIONS: dict[str, Reduction] = {
    "ReduceMean": mean,
    "ReduceSum": _sum,
    "ReduceMax": amax,
    "ReduceMin": amin,
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
    exclusive, reverse = at.attribute("exclusive", 0), at.attribute("reverse", 0)
    if exclusive or reverse:
        raise UnsupportedError(f"exclusive={exclusive}, reverse={reverse}; allowed: 0")
    return at.aten("cumsum", at.input(0), int(at.number(1, "axis")))
