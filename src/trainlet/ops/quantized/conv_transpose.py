"""Quantised transposed convolution, channels last, and its gradients in float32 and in integers.

x int8 [N,H,W,C], w int8 [O,KH,KW,C/groups], b int32 [O], q int32 [2,O] (see `requantization`):
TensorFlow Lite's TRANSPOSE_CONV, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import narrowed
from trainlet.ops.conv_transpose import (
    SAMPLES,
    infer_dx,
    products,
    result_shape,
    transposed,
    transposed_dw,
    transposed_dx,
    weight_shape,
)
from trainlet.ops.conv_transpose import result as sample_result
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.cast import weight_scales
from trainlet.ops.quantized.conv import clamp_literals
from trainlet.ops.quantized.fixed_point import Affine, clamped, rescale, wrapped
from trainlet.ops.quantized.gradient.conv_transpose import integer_gradients
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import check_source, check_weights, int8, masked, result, weight
from trainlet.ops.window import Geometry, Pair


def _infer(
    x: TensorType, w: TensorType, b: TensorType, q: TensorType, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, size: Pair, **window: Any,
) -> TensorType:  # fmt: skip
    shape = result_shape(x, w, size, Geometry.of_weight(w, **window))
    check_source(x, source)
    check_weights(w, b, q, shape[3], w.size // shape[3])
    return result(x, shape, scale, zero_point, low, high)


def _evaluate(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, **attrs: Any,
) -> np.ndarray:  # fmt: skip
    sums = wrapped(transposed(x.astype(np.int16) - source[1], w, **attrs) + b)
    return clamped(rescale(sums, q[0], q[1]), zero_point, low, high)


def _gradients(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, _ = n.inputs
    inside, (scale, zero), window = masked(n, g), n.attrs["source"], Geometry.of(n)
    dw = {"kernel": window.kernel, **window.attrs, "scale": scale, "zero": zero}
    scales = weight_scales(n)
    return [
        lambda: build("conv_transpose_i8_dx", inside(), w, scales, label=n.name, **window.attrs),
        lambda: build("conv_transpose_i8_dw", inside(), x, label=n.name, **dw),
        lambda: build("sum_to", inside(), shape=b.type.shape, label=n.name),
        None,
    ]


_X, _RELU = (0.5, -100), {"scale": 2.0, "zero_point": -128, "low": -128, "high": 127}
_CLIPPED = {"scale": 0.75, "zero_point": 9, "low": -90, "high": 101}

register(
    Op(
        "conv_transpose_i8",
        infer=_infer,
        eval=_evaluate,
        vjp=_gradients,
        vjp_bfp=integer_gradients,
        call=lambda n: (
            *Geometry.of(n).literals(n.inputs[0].type, n.type),
            *clamp_literals(n),
        ),
        macs=lambda n: products(n.inputs[0].type, n.inputs[1].type),
        channel_axis=0,
        samples=[
            layer_sample(
                int8(*x, scale=_X[0], zero_point=_X[1]),
                weight(*w),
                {"source": _X, "size": size, **window, **quant},
                w[0],
                3e3,
            )
            for (x, w, size, window), quant in zip(SAMPLES, (_RELU, _CLIPPED), strict=True)
        ],
    )
)


def _infer_dx(g: TensorType, w: TensorType, s: TensorType, **window: Any) -> TensorType:
    require(w.dtype == "int8" and s == float32(w.shape[0]), f"scales {s} do not fit weight {w}")
    return infer_dx(g, w, **window)


def _dx(g: np.ndarray, w: np.ndarray, s: np.ndarray, **window: Any) -> np.ndarray:
    return transposed_dx((g * s).astype(g.dtype), w.astype(g.dtype), **window)


register(
    Op(
        "conv_transpose_i8_dx",
        infer=_infer_dx,
        eval=_dx,
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: products(n.type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*sample_result(x, w, size)), weight(*w), float32(w[0])),
                window,
                {1: draw_int8(w), 2: lambda rng, n=w[0]: rng.uniform(0.01, 0.1, n)},
            )
            for x, w, size, window in SAMPLES
        ],
    )
)


def _infer_dw(
    g: TensorType, x: TensorType, *, scale: float, zero: int, **window: Any
) -> TensorType:
    check_source(x, (scale, zero))
    return float32(*weight_shape(g, x, **window))


def _dw(g: np.ndarray, x: np.ndarray, *, scale: float, zero: int, **window: Any) -> np.ndarray:
    real = x.astype(g.dtype) - g.dtype.type(zero)
    return transposed_dw(g, real, **window) * np.float32(scale)


register(
    Op(
        "conv_transpose_i8_dw",
        infer=_infer_dw,
        eval=_dw,
        narrow=narrowed,
        call=lambda n: (
            *Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
            float(n.attrs["scale"]),
            n.attrs["zero"],
        ),
        macs=lambda n: products(n.inputs[1].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*sample_result(x, w, size)), int8(*x, scale=_X[0], zero_point=_X[1])),
                {"kernel": w[1:3], "scale": _X[0], "zero": _X[1], **window},
                {1: draw_int8(x)},
            )
            for x, w, size, window in SAMPLES
        ],
    )
)
