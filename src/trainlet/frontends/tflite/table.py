"""The TensorFlow Lite operators that Trainlet knows: a row an operator.

A builder takes the import in progress and the operator; it gives the node of the one result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import MAX_RANK, Operator
from trainlet.frontends.tflite.functions import ELEMENTS
from trainlet.frontends.tflite.layers import LAYERS
from trainlet.frontends.tflite.moves import MOVES
from trainlet.frontends.tflite.recurrent import sequence_lstm
from trainlet.frontends.tflite.resizing import RESIZERS
from trainlet.frontends.tflite.windows import POOLS
from trainlet.ir.graph import Node
from trainlet.ops.op import require
from trainlet.ops.quantized.leaky_relu import has_integer_slope
from trainlet.ops.quantized.types import affine


def _is_int8(x: Node) -> bool:
    return x.type.dtype == "int8"


def _binary(at: Builder, operator: Operator, kind: str, options: str) -> Node:
    activation = operator.options(options).FusedActivationFunction()
    a, b = at.input(0), at.input(1)
    at.named(kind)
    if not _is_int8(a):
        return at.activated(at.build(kind, a, b), activation)
    sources = affine(a), affine(b)
    return at.build(f"{kind}_i8", a, b, sources=sources, **at.quantised(activation).attrs)


def _mean(at: Builder, operator: Operator) -> Node:
    x, keep = at.input(0), bool(operator.options("ReducerOptions").KeepDims())
    at.named("mean")
    found, rank = at.constant(1, "axes").reshape(-1), x.type.rank
    if found.size > MAX_RANK or not all(-rank <= k < rank for k in found):
        raise FileError(f"axes {found[:MAX_RANK].tolist()} of {x.type}")
    axes = tuple(sorted({int(k) % rank for k in found}))
    if _is_int8(x):
        attrs = {"axes": axes, "keep": keep, "source": affine(x)}
        return at.build("mean_i8", x, **attrs, **at.quantised().attrs)
    kept = tuple(1 if k in axes else n for k, n in enumerate(x.type.shape))
    y = at.build("sum_to", x, shape=kept, factor=prod(kept) / x.type.size)
    shape = tuple(n for k, n in enumerate(x.type.shape) if k not in axes)
    return y if keep else at.build("reshape", y, shape=shape)


def _reshape(at: Builder, operator: Operator) -> Node:
    """The file declares the shape of every result."""
    at.named("reshape")
    return at.build("reshape", at.input(0), shape=at.output().shape)


def _softmax(at: Builder, operator: Operator) -> Node:
    x, beta = at.input(0), float(operator.options("SoftmaxOptions").Beta())
    at.named("softmax")
    if not 0 < beta < float("inf"):
        raise FileError(f"beta is {beta}; allowed: a positive number")
    if _is_int8(x):
        return at.build("softmax_i8", x, source=affine(x), beta=beta)
    return at.build("softmax", x if beta == 1 else at.build("scale", x, factor=beta))


def _pad(at: Builder, operator: Operator) -> Node:
    """PADV2 says with what; PAD means zeros, which are zero points of int8."""
    x, found = at.input(0), at.constant(1, "padding")
    at.named("pad")
    require(
        found.shape == (x.type.rank, 2) and bool((found >= 0).all()),
        f"padding of shape {found.shape} for {x.type}",
    )
    padding = tuple((int(before), int(after)) for before, after in found)
    zero = affine(x)[1] if _is_int8(x) else 0
    value = at.constant(2, "value").reshape(-1)[0] if operator.name == "PADV2" else zero
    if value != zero:
        return _bordered(at, x, padding, value)
    if _is_int8(x):
        return at.build("pad_i8", x, padding=padding, zero_point=zero)
    for axis, (before, after) in enumerate(padding):
        if before or after:
            size = before + x.type.shape[axis] + after
            x = at.build("pad_strided", x, axis=axis, start=before, size=size)
    return x


def _bordered(at: Builder, x: Node, padding: tuple[tuple[int, int], ...], value: Any) -> Node:
    """Constants before and behind x along each axis."""
    op, dtype = ("concat_i8", np.int8) if _is_int8(x) else ("concat", np.float32)
    for axis, sides in enumerate(padding):
        for many, behind in zip(sides, (False, True), strict=True):
            if many:
                shape = (*x.type.shape[:axis], many, *x.type.shape[axis + 1 :])
                border = at.made("border", np.full(shape, value, dtype), x.type.quant)
                x = at.build(op, *((x, border) if behind else (border, x)), axis=axis)
    return x


def _concat(at: Builder, operator: Operator) -> Node:
    options = operator.options("ConcatenationOptions")
    parts = [at.input(k) for k in range(len(operator.inputs))]
    at.named("concat")
    require(bool(parts), "nothing to join")
    axis, rank = options.Axis(), parts[0].type.rank
    require(-rank <= axis < rank, f"axis {axis} of {parts[0].type}")
    integers = _is_int8(parts[0])
    if options.FusedActivationFunction() and integers:
        raise UnsupportedError("a fused activation of int8; allowed: NONE")
    op, axis = ("concat_i8" if integers else "concat"), axis % rank
    y = reduce(lambda a, b: at.build(op, a, b, axis=axis), parts)
    return y if integers else at.activated(y, options.FusedActivationFunction())


def _transpose(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("transpose")
    found = at.constant(1, "permutation").reshape(-1)
    require(found.size == x.type.rank, f"permutation of {found.size} dimensions for {x.type}")
    op = "permute_i8" if _is_int8(x) else "permute"
    return at.build(op, x, permutation=tuple(int(k) for k in found))


def _quantize(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("quantize")
    if _is_int8(x):
        return at.build("requantize_i8", x, source=affine(x), **at.quantised().attrs)
    return at.build("quantize", x, **at.quantised().attrs)


def _dequantize(at: Builder, operator: Operator) -> Node:
    x = at.input(0)
    at.named("dequantize")
    scale, zero_point = affine(x)
    return at.build("dequantize", x, scale=scale, zero_point=zero_point)


def _relu(at: Builder, operator: Operator) -> Node:
    """RELU or RELU6 that was not fused."""
    x = at.input(0)
    at.named(operator.name.lower())
    if not _is_int8(x):
        return at.build(operator.name.lower(), x)
    clamp = at.quantised({"RELU": 1, "RELU6": 3}[operator.name]).attrs
    return at.build("requantize_i8", x, source=affine(x), **clamp)


def _leaky_relu(at: Builder, operator: Operator) -> Node:
    x, slope = at.input(0), float(operator.options("LeakyReluOptions").Alpha())
    at.named("leaky_relu")
    if not _is_int8(x):
        return at.build("leaky_relu", x, slope=slope)
    if not has_integer_slope(slope):
        raise UnsupportedError(f"a slope of {slope:g} of int8; allowed: above 0, at most 1")
    return at.build("leaky_relu_i8", x, slope=slope, source=affine(x), **at.quantised().attrs)


TABLE: dict[str, Callable[[Builder, Operator], Any]] = {
    **ELEMENTS,
    **LAYERS,
    **MOVES,
    **POOLS,
    **RESIZERS,
    "ADD": lambda at, operator: _binary(at, operator, "add", "AddOptions"),
    "CONCATENATION": _concat,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "LEAKY_RELU": _leaky_relu,
    "MEAN": _mean,
    "MUL": lambda at, operator: _binary(at, operator, "mul", "MulOptions"),
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
    "SUB": lambda at, operator: _binary(at, operator, "sub", "SubOptions"),
    "TRANSPOSE": _transpose,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": sequence_lstm,
}
