"""Quantised depthwise convolution, channels last: w int8 [KH,KW,C]; and its float32 gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.correlate import correlate, correlate_dw, correlate_dx
from trainlet.ops.depthwise import ODD, PLAIN, result_shape
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.cast import weight_scales
from trainlet.ops.quantized.conv import clamp_literals
from trainlet.ops.quantized.fixed_point import Affine, clamped, rescale, wrapped
from trainlet.ops.quantized.gradient.depthwise import depthwise_gradients
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.shape import leading
from trainlet.ops.quantized.types import check_source, check_weights, int8, masked, result, weight
from trainlet.ops.rows import window_dx_rows, window_rows
from trainlet.ops.window import Geometry, Pair


def _infer(
    x: TensorType, w: TensorType, b: TensorType, q: TensorType, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, **window: Any,
) -> TensorType:  # fmt: skip
    shape = result_shape(x, w, Geometry.of_weight(w, **window))
    check_source(x, source)
    check_weights(w, b, q, shape[3], w.size // shape[3])
    return result(x, shape, scale, zero_point, low, high)


def _eval(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, **window: Any,
) -> np.ndarray:  # fmt: skip
    real = x.astype(np.int16) - source[1]
    sums = wrapped(correlate(real, w, Geometry.of_weight(w, **window)) + b)
    return clamped(rescale(sums, q[0], q[1]), zero_point, low, high)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, _ = n.inputs
    inside, (scale, zero) = masked(n, g), n.attrs["source"]
    geometry = Geometry.of(n).attrs
    sizes = {"size": x.type.shape[1:3]}, {"kernel": w.type.shape[:2]}
    real = {"scale": scale, "zero": zero}
    return [
        lambda: build("depthwise_i8_dx", inside(), w, weight_scales(n), **sizes[0], **geometry,
                      label=n.name),
        lambda: build("depthwise_i8_dw", inside(), x, **sizes[1], **geometry, **real,
                      label=n.name),
        lambda: build("sum_to", inside(), shape=b.type.shape, label=n.name),
        None,
    ]  # fmt: skip


_X, _RELU = (0.5, -100), {"scale": 1.0, "zero_point": -128, "low": -128, "high": 127}
_CLIPPED = {"scale": 0.5, "zero_point": 9, "low": -90, "high": 101}


def _sample(x: tuple, w: tuple, geometry: dict, quant: dict) -> Sample:
    attrs = {"source": _X, **geometry, **quant}
    kinds = int8(*x, scale=_X[0], zero_point=_X[1]), weight(*w, axis=2)
    return layer_sample(*kinds, attrs, w[2], 5e3)


register(
    Op(
        "depthwise_i8",
        rows=window_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        vjp_bfp=depthwise_gradients,
        call=lambda n: (
            *Geometry.of(n).literals(n.inputs[0].type, n.type),
            *clamp_literals(n),
        ),
        macs=lambda n: Geometry.of(n).macs(n.type, n.inputs[1].type),
        channel_axis=2,
        samples=[
            _sample((2, 5, 4, 3), (3, 3, 3), PLAIN, _RELU),
            _sample((1, 8, 9, 2), (5, 3, 2), ODD, _CLIPPED),
        ],
    )
)


def _infer_dx(g: TensorType, w: TensorType, s: TensorType, *, size: Pair, **_: Any) -> TensorType:
    require(w.dtype == "int8" and s == float32(w.shape[2]), f"scales {s} do not fit weight {w}")
    return float32(g.shape[0], *size, g.shape[3])


def _eval_dx(
    g: np.ndarray, w: np.ndarray, s: np.ndarray, *, size: Pair, **window: Any
) -> np.ndarray:
    scaled = (g * s).astype(g.dtype)
    return correlate_dx(scaled, w.astype(g.dtype), size, Geometry.of_weight(w, **window))


register(
    Op(
        "depthwise_i8_dx",
        rows=window_dx_rows,
        infer=_infer_dx,
        eval=_eval_dx,
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), weight(*w, axis=2), float32(w[2])),
                {"size": size, **geometry},
                {1: draw_int8(w), 2: lambda rng, n=w[2]: rng.uniform(0.01, 0.1, n)},
            )
            for g, w, size, geometry in [
                ((2, 5, 4, 3), (3, 3, 3), (5, 4), PLAIN),
                ((1, 5, 5, 2), (5, 3, 2), (8, 9), ODD),
            ]
        ],
    )
)


def _infer_dw(
    g: TensorType, x: TensorType, *, kernel: Pair, scale: float, zero: int, **_: Any
) -> TensorType:
    require(g.shape[3] == x.shape[3], f"gradient {g} and input {x} must have the same channels")
    check_source(x, (scale, zero))
    return float32(*kernel, g.shape[3])


def _eval_dw(g: np.ndarray, x: np.ndarray, *, scale: float, zero: int, **window: Any) -> np.ndarray:
    real = x.astype(g.dtype) - g.dtype.type(zero)
    return correlate_dw(g, real, Geometry(**window)) * np.float32(scale)


register(
    Op(
        "depthwise_i8_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=lambda n, ratio: build(
            "depthwise_i8_dw", *(leading(t, ratio) for t in n.inputs), label=n.name, **n.attrs
        ),
        call=lambda n: (
            *Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
            float(n.attrs["scale"]),
            n.attrs["zero"],
        ),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), int8(*x, scale=_X[0], zero_point=_X[1])),
                {"kernel": kernel, "scale": _X[0], "zero": _X[1], **geometry},
                {1: draw_int8(x)},
            )
            for g, x, kernel, geometry in [
                ((2, 5, 4, 3), (2, 5, 4, 3), (3, 3), PLAIN),
                ((1, 5, 5, 2), (1, 8, 9, 2), (5, 3), ODD),
            ]
        ],
    )
)
