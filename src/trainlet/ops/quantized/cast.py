"""Between real and quantised values, and between two quantisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import Literal, Op, Sample, build, float32, register, require, typed
from trainlet.ops.quantized.fixed_point import (
    Affine,
    clamped,
    quantize_multiplier,
    requantization,
    rescale,
)
from trainlet.ops.quantized.gradient.elementwise import requantize_gradients
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import affine, check_source, int8, masked, result
from trainlet.ops.row_access import own_rows

FAR = 1000.0  # beyond every int8, and small enough for an int


def _infer_quantize(
    x: TensorType, *, scale: float, zero_point: int, low: int, high: int
) -> TensorType:
    require(x.dtype == "float32", f"{x} must be float32")
    return result(x, x.shape, scale, zero_point, low, high)


def _eval_quantize(
    x: np.ndarray, *, scale: float, zero_point: int, low: int, high: int
) -> np.ndarray:
    """The nearest integer, halves away from zero; NaN becomes the lowest value."""
    with np.errstate(over="ignore", invalid="ignore"):
        v = x.astype(np.float32) / np.float32(scale)
        v = np.minimum(np.where(v > -FAR, v, np.float32(-FAR)), np.float32(FAR))
    whole = np.trunc(v)
    away = np.where(np.abs(v - whole) >= 0.5, np.sign(v), 0)
    return clamped((whole + away).astype(np.int64), zero_point, low, high)


def _clamp(attrs: Mapping[str, Any]) -> tuple[Literal, ...]:
    return attrs["zero_point"], attrs["low"], attrs["high"]


def _scale_and_clamp(attrs: Mapping[str, Any]) -> tuple[Literal, ...]:
    return float(attrs["scale"]), *_clamp(attrs)


def _scale_and_zero(attrs: Mapping[str, Any]) -> tuple[Literal, ...]:
    return float(attrs["scale"]), attrs["zero_point"]


_HALVES = np.array([0.5, -0.5, 1.5, -1.5, 0.49999997, -0.49999997, 1e30, -1e30, 0, -0.0])

QUANTIZE = register(
    Op(
        "quantize",
        rows=own_rows,
        infer=_infer_quantize,
        eval=_eval_quantize,
        vjp=lambda n, g: [masked(n, g)],
        call=lambda n: (n.type.size, *_scale_and_clamp(n.attrs)),
        element=_scale_and_clamp,
        layout=ELEMENTWISE,
        samples=[
            Sample(
                (float32(5, 8),),
                {"scale": 0.02, "zero_point": -5, "low": -128, "high": 127},
                {0: lambda rng: rng.uniform(-4, 4, (5, 8))},
            ),
            Sample(
                (float32(10),),
                {"scale": 1.0, "zero_point": 3, "low": -100, "high": 100},
                {0: lambda rng: _HALVES},
            ),
        ],
    )
)


def _infer_dequantize(x: TensorType, *, scale: float, zero_point: int) -> TensorType:
    check_source(x, (scale, zero_point))
    return float32(*x.shape)


DEQUANTIZE = register(
    Op(
        "dequantize",
        rows=own_rows,
        infer=_infer_dequantize,
        eval=lambda x, scale, zero_point: (
            (x.astype(np.int32) - zero_point).astype(np.float32) * np.float32(scale)
        ),
        vjp=lambda n, g: [lambda: g],
        call=lambda n: (n.type.size, *_scale_and_zero(n.attrs)),
        element=_scale_and_zero,
        layout=ELEMENTWISE,
        samples=[
            Sample(
                (int8(4, 10, scale=0.1, zero_point=-7),),
                {"scale": float(np.float32(0.1)), "zero_point": -7},
                {0: draw_int8((4, 10))},
            )
        ],
    )
)


def dequantized(x: Node) -> Node:
    """The real values of a quantised activation."""
    scale, zero_point = affine(x)
    return build("dequantize", x, scale=scale, zero_point=zero_point, label=x.name)


def _factor(source: Affine, scale: float) -> tuple[int, int]:
    return quantize_multiplier(float(np.float64(np.float32(source[0])) / np.float32(scale)))


def _infer_requantize(
    x: TensorType, *, source: Affine, scale: float, zero_point: int, low: int, high: int
) -> TensorType:
    check_source(x, source)
    _factor(source, scale)
    return result(x, x.shape, scale, zero_point, low, high)


def _eval_requantize(
    x: np.ndarray, *, source: Affine, scale: float, zero_point: int, low: int, high: int
) -> np.ndarray:
    real = rescale(x.astype(np.int64) - source[1], *_factor(source, scale))
    return clamped(real, zero_point, low, high)


register(
    Op(
        "requantize_i8",
        rows=own_rows,
        infer=_infer_requantize,
        eval=_eval_requantize,
        vjp=lambda n, g: [masked(n, g)],
        vjp_bfp=requantize_gradients,
        call=lambda n: (
            n.type.size,
            n.attrs["source"][1],
            *_factor(n.attrs["source"], n.attrs["scale"]),
            *_clamp(n.attrs),
        ),
        inplace=(0,),
        layout=ELEMENTWISE,
        samples=[
            Sample(
                (int8(256, scale=source[0], zero_point=source[1]),),
                {"source": source, "scale": scale, "zero_point": 12, "low": low, "high": 127},
                {0: lambda rng: np.arange(-128, 128).astype(np.int8)},
            )
            for source, scale, low in [
                ((0.5, -9), 0.75, -128),
                ((0.5, 40), 0.0625, 12),
                ((0.25, 0), 1.0, -128),  # halves, which go away from zero
            ]
        ],
    )
)


def _eval_channel_scale(q: np.ndarray, factor: float) -> np.ndarray:
    return (q[0] * np.exp2(q[1] - 31.0) * _double(factor)).astype(np.float32)


def _double(factor: float) -> float:
    """The sum of the two floats that a C call can hand over."""
    return sum(_parts(factor))


def _parts(factor: float) -> tuple[float, float]:
    first = float(np.float32(factor))
    return first, float(np.float32(factor - first))


register(
    Op(
        "channel_scale",
        infer=lambda q, factor: float32(q.shape[1]),
        eval=_eval_channel_scale,
        call=lambda n: (n.type.size, *_parts(n.attrs["factor"])),
        samples=[
            Sample(
                (typed("int32", 2, 5),),
                {"factor": 1.7},
                {0: lambda rng: requantization(0.1, rng.uniform(1e-4, 30, 5), 0.05)},
            )
        ],
    )
)


def weight_scales(n: Node) -> Node:
    """The scales of the weight of a layer (x, w, b, q): constant, hence folded."""
    factor = n.attrs["scale"] / n.attrs["source"][0]
    return build("channel_scale", n.inputs[3], factor=factor, label=n.name)
