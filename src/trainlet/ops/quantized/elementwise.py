"""Quantised addition and multiplication with broadcasting.

`sources` are the scales and zero points of the two operands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.broadcast import loop_literals
from trainlet.ops.elementwise import broadcast_type, reduced
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import OPS, Literal, Op, Sample, Thunk, build, register, require
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.fixed_point import Affine, clamped, quantize_multiplier, rescale
from trainlet.ops.quantized.gradient.elementwise import add_gradients
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import check_source, int8, masked, result
from trainlet.ops.row_access import own_rows

Sources = tuple[Affine, Affine]
LEFT_SHIFT = 20
"""Bits gained before two operands of different scales are added."""


def add_factors(sources: Sources, scale: float) -> tuple[tuple[int, int], ...]:
    """Rescaling of a and of b to a common scale, and of their sum to the result's."""
    a, b, y = (float(np.float32(s)) for s in (sources[0][0], sources[1][0], scale))
    common = 2 * max(a, b)
    factors = a / common, b / common, common / ((1 << LEFT_SHIFT) * y)
    require(factors[2] < 1, f"scales {a:g} and {b:g} are too large for a sum of scale {y:g}")
    return tuple(quantize_multiplier(f) for f in factors)


def mul_factor(sources: Sources, scale: float) -> tuple[int, int]:
    """Rescaling of the product of two integers to the result's scale."""
    with np.errstate(over="ignore"):
        a, b = np.float32(sources[0][0]), np.float32(sources[1][0])
        return quantize_multiplier(float(np.float32(a * b) / np.float32(scale)))


def _infer(
    a: TensorType, b: TensorType, *, sources: Sources, scale: float, zero_point: int, low: int,
    high: int,
) -> TensorType:  # fmt: skip
    check_source(a, sources[0])
    check_source(b, sources[1])
    shape = broadcast_type(a, b).shape
    loop_literals(shape, a.shape, b.shape)
    return result(a, shape, scale, zero_point, low, high)


def _infer_add(a: TensorType, b: TensorType, **attrs: Any) -> TensorType:
    add_factors(attrs["sources"], attrs["scale"])
    return _infer(a, b, **attrs)


def _infer_mul(a: TensorType, b: TensorType, **attrs: Any) -> TensorType:
    mul_factor(attrs["sources"], attrs["scale"])
    return _infer(a, b, **attrs)


def _eval_add(a: np.ndarray, b: np.ndarray, **attrs: Any) -> np.ndarray:
    return _combined(a, b, 1, **attrs)


def _combined(
    a: np.ndarray, b: np.ndarray, sign: int, *, sources: Sources, scale: float, zero_point: int,
    low: int, high: int,
) -> np.ndarray:  # fmt: skip
    *factors, last = add_factors(sources, scale)
    terms = [
        rescale((x.astype(np.int64) - zero) << LEFT_SHIFT, *factor)
        for x, (_, zero), factor in zip((a, b), sources, factors, strict=True)
    ]
    return clamped(rescale(terms[0] + sign * terms[1], *last), zero_point, low, high)


def _eval_sub(a: np.ndarray, b: np.ndarray, **attrs: Any) -> np.ndarray:
    return _combined(a, b, -1, **attrs)


def _eval_mul(
    a: np.ndarray, b: np.ndarray, *, sources: Sources, scale: float, zero_point: int, low: int,
    high: int,
) -> np.ndarray:  # fmt: skip
    product = (a.astype(np.int64) - sources[0][1]) * (b.astype(np.int64) - sources[1][1])
    return clamped(rescale(product, *mul_factor(sources, scale)), zero_point, low, high)


def _vjp_add(n: Node, g: Node) -> list[Thunk | None]:
    inside = masked(n, g)
    return [lambda: reduced(inside(), n.inputs[0]), lambda: reduced(inside(), n.inputs[1])]


def _vjp_sub(n: Node, g: Node) -> list[Thunk | None]:
    inside = masked(n, g)

    def second() -> Node:
        return reduced(build("scale", inside(), factor=-1.0, label=n.name), n.inputs[1])

    return [lambda: reduced(inside(), n.inputs[0]), second]


def _vjp_mul(n: Node, g: Node) -> list[Thunk | None]:
    """As of a float product of the real values."""
    inside, (a, b) = masked(n, g), n.inputs

    def side(k: int, other: Node) -> Thunk:
        def gradient() -> Node:
            inputs = tuple(dequantized(i) if i is other else i for i in (a, b))
            rule = (OPS["mul"].vjp or (lambda *_: []))(Node("mul", inputs, n.type), inside())[k]
            assert rule is not None
            return rule()

        return gradient

    return [side(0, b), side(1, a)]


def _zeros_and_clamp(n: Node) -> tuple[Literal, ...]:
    (_, a), (_, b) = n.attrs["sources"]
    return a, b, n.attrs["zero_point"], n.attrs["low"], n.attrs["high"]


def _call_add(n: Node) -> tuple[Literal, ...]:
    factors = add_factors(n.attrs["sources"], n.attrs["scale"])
    loops = loop_literals(n.type.shape, *(i.type.shape for i in n.inputs))
    return *loops, *(k for pair in factors for k in pair), *_zeros_and_clamp(n)


def _call_mul(n: Node) -> tuple[Literal, ...]:
    loops = loop_literals(n.type.shape, *(i.type.shape for i in n.inputs))
    return *loops, *mul_factor(n.attrs["sources"], n.attrs["scale"]), *_zeros_and_clamp(n)


def _samples(scale: float) -> list[Sample]:
    sources = (0.5, -128), (0.125, 17)
    attrs = {"sources": sources, "scale": scale, "zero_point": -4, "low": -120, "high": 127}
    return [
        Sample(
            tuple(int8(*s, scale=q[0], zero_point=q[1]) for s, q in zip(x, sources, strict=True)),
            attrs,
            {k: draw_int8(s) for k, s in enumerate(x)},
        )
        for x in [
            ((2, 3, 4), (2, 3, 4)),
            ((2, 3, 4), (4,)),
            ((2, 1, 1, 4), (2, 3, 5, 4)),
            ((3, 1), (1, 4)),
        ]
    ]


for _name, _infer_it, _eval_it, _vjp, _vjp_bfp, _call, _scale in [
    ("add_i8", _infer_add, _eval_add, _vjp_add, add_gradients, _call_add, 0.75),
    ("sub_i8", _infer_add, _eval_sub, _vjp_sub, None, _call_add, 0.75),
    ("mul_i8", _infer_mul, _eval_mul, _vjp_mul, None, _call_mul, 8.0),
]:
    register(
        Op(
            _name,
            rows=own_rows,
            infer=_infer_it,
            eval=_eval_it,
            vjp=_vjp,
            vjp_bfp=_vjp_bfp,
            call=_call,
            layout=ELEMENTWISE,
            samples=_samples(_scale),
        )
    )
