"""TensorFlow Lite's functions of elements; an int8 one is a table of its 256 results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainlet.errors import UnsupportedError
from trainlet.frontends.tflite.builder import Builder
from trainlet.frontends.tflite.file import Operator
from trainlet.ir.graph import Node
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.fixed_point import Affine, quantize_multiplier
from trainlet.ops.quantized.lookup import all_bytes
from trainlet.ops.quantized.types import affine

Table = Callable[[Affine, Affine], np.ndarray]


def _of_reals(function: Callable[[np.ndarray], np.ndarray]) -> Table:
    """LiteRT computes most tables in floating point."""

    def table(x: Affine, y: Affine) -> np.ndarray:
        real = (all_bytes().astype(np.float32) - np.float32(x[1])) * np.float32(x[0])
        made = function(real.astype(np.float64)).astype(np.float32)
        steps = made * (np.float32(1) / np.float32(y[0]))
        whole = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + y[1]
        return np.clip(whole, -128, 127).astype(np.int8)

    return table


def _high_product(a: np.ndarray, b: int | np.ndarray, nudge: bool = True) -> np.ndarray:
    """2 a b / 2^16 of 16 bits, rounded (or not) and saturated."""
    product = a * b
    if nudge:
        product = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.clip(np.trunc(product / (1 << 15)).astype(np.int64), -(1 << 15), (1 << 15) - 1)


def _shifted(x: np.ndarray, right: int) -> np.ndarray:
    """x / 2^right to the nearest, halves away from zero."""
    mask = (1 << right) - 1
    return (x >> right) + ((x & mask) > (mask >> 1) + (x < 0))


def _left(x: np.ndarray, by: int) -> np.ndarray:
    return np.clip(x << by, -(1 << 15), (1 << 15) - 1)


def _short(multiplier: int) -> int:
    """A multiplier of 32 bits as one of 16."""
    return min((multiplier + (1 << 15)) >> 16, (1 << 15) - 1)


def _hard_swish_table(x: Affine, y: Affine) -> np.ndarray:
    """In 16 bits: x times a share that goes from 0 to 1."""
    fine = np.float32(1 / 128) * np.float32(x[0])
    to_result, right = quantize_multiplier(float(fine / np.float32(y[0])))
    to_share, left = quantize_multiplier(float(fine / np.float32(3 / 32768)))
    if right > 0:
        raise UnsupportedError(f"a result of scale {y[0]:g} from one of {x[0]:g}")
    wide = (all_bytes().astype(np.int64) - x[1]) << 7
    share = _left(wide, left - 1) if left > 0 else wide
    share = _high_product(share, _short(to_share))
    share = _left(share, 1) if left > 0 else _shifted(share, -left)
    share = (share + (1 << 15)) >> 1
    scaled = _high_product(share, _high_product(wide, _short(to_result)), nudge=False)
    return np.clip(_shifted(scaled, -right) + y[1], -128, 127).astype(np.int8)


FUNCTIONS: dict[str, tuple[str, Table]] = {
    "ELU": ("elu", _of_reals(lambda v: np.where(v < 0, np.expm1(np.minimum(v, 0)), v))),
    "HARD_SWISH": ("hard_swish", _hard_swish_table),
    "LOGISTIC": ("sigmoid", _of_reals(lambda v: 1 / (1 + np.exp(-v)))),
    "TANH": ("tanh", _of_reals(np.tanh)),
}


def _function(at: Builder, operator: Operator) -> Node:
    x, (op, table) = at.input(0), FUNCTIONS[operator.name]
    at.named(operator.name.lower())
    attrs = dict.fromkeys(("alpha", "scale", "rate"), 1.0) if op == "elu" else {}
    if x.type.dtype != "int8":
        return at.build(op, x, **attrs)
    goal = at.quantised()
    entries = at.made("table", table(affine(x), (goal.scale, goal.zero_point)))
    kept = {"scale": goal.scale, "zero_point": goal.zero_point}
    return at.build("lookup_i8", x, entries, function=op, parameters=tuple(attrs.items()), **kept)


def _extreme(at: Builder, operator: Operator) -> Node:
    """Of int8 with one scale for operands and result: by way of float32, which is exact."""
    a, b, op = at.input(0), at.input(1), operator.name.lower()
    at.named(op)
    if a.type.dtype != "int8":
        return at.build(op, a, b)
    goal = at.quantised()
    if not affine(a) == affine(b) == (goal.scale, goal.zero_point):
        raise UnsupportedError("operands or a result of other scales; allowed: the same in all")
    return at.build("quantize", at.build(op, dequantized(a), dequantized(b)), **goal.attrs)


ELEMENTS = {
    **dict.fromkeys(FUNCTIONS, _function),
    "MAXIMUM": _extreme,
    "MINIMUM": _extreme,
}
