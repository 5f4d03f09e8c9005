"""Strides, dilations and padding of sliding windows, and the pooling operators."""

from __future__ import annotations

from typing import Any

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Operator
from trainlet.ir.graph import Node

SAME, VALID = 0, 1
Pair = tuple[int, int]


def _pair(height: int, width: int, what: str) -> Pair:
    if height < 1 or width < 1:
        raise FileError(f"{what} {height}x{width}; allowed: at least 1x1")
    return height, width


def _padding(
    size: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair, kind: int
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right); what SAME cannot halve goes below and to the right."""
    if kind == VALID:
        return 0, 0, 0, 0
    if kind != SAME:
        raise UnsupportedError(f"padding number {kind}; allowed: SAME, VALID")
    total = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    before = [t // 2 for t in total]
    return before[0], before[1], total[0] - before[0], total[1] - before[1]


def geometry(x: Node, kernel: tuple[int, ...], options: Any) -> dict[str, Any]:
    """The attributes stride, padding and dilation of a convolution."""
    stride = _pair(options.StrideH(), options.StrideW(), "stride")
    dilation = _pair(options.DilationHFactor(), options.DilationWFactor(), "dilation")
    taps = _pair(kernel[0], kernel[1], "kernel")
    padding = _padding(x.type.shape[1:3], taps, stride, dilation, options.Padding())
    return {"stride": stride, "padding": padding, "dilation": dilation}


def transposed_geometry(size: Pair, kernel: tuple[int, ...], options: Any) -> dict[str, Any]:
    """The same of a transposed convolution with a result of this size: those of the convolution
    that goes the other way."""
    stride = _pair(options.StrideH(), options.StrideW(), "stride")
    taps = _pair(kernel[0], kernel[1], "kernel")
    padding = _padding(size, taps, stride, (1, 1), options.Padding())
    return {"stride": stride, "padding": padding, "dilation": (1, 1)}


def _pool(at: Builder, operator: Operator, kind: str) -> Node:
    options, x = operator.options("Pool2DOptions"), at.input(0)
    at.named(f"{kind}_pool")
    if x.type.rank != 4:
        raise FileError(f"its input is {x.type}; allowed: four dimensions")
    kernel = _pair(options.FilterHeight(), options.FilterWidth(), "window")
    stride = _pair(options.StrideH(), options.StrideW(), "stride")
    padding = _padding(x.type.shape[1:3], kernel, stride, (1, 1), options.Padding())
    attrs: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
    activation = options.FusedActivationFunction()
    if x.type.dtype == "int8":
        return at.build(f"{kind}_pool_i8", x, **attrs, **at.quantised(activation).attrs)
    attrs |= {"count_padding": False} if kind == "avg" else {"dilation": (1, 1)}
    return at.activated(at.build(f"{kind}_pool", x, **attrs), activation)


POOLS = {
    "AVERAGE_POOL_2D": lambda at, operator: _pool(at, operator, "avg"),
    "MAX_POOL_2D": lambda at, operator: _pool(at, operator, "max"),
}
