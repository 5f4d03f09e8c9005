"""Quantised depthwise convolution, channels last: w int8 [KH,KW,C]; and its float32 gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps, window_output
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.cast import weight_scales
from trainlet.ops.quantized.conv import clamp_literals
from trainlet.ops.quantized.fixed_point import Affine, clamped, rescale, wrapped
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.shape import leading
from trainlet.ops.quantized.types import check_source, check_weights, int8, masked, result, weight
from trainlet.ops.rows import depthwise_dx_rows, depthwise_rows

GEOMETRY = ("stride", "padding", "dilation")


def _infer(
    x: TensorType, w: TensorType, b: TensorType, q: TensorType, *, stride: Pair, padding: Quad,
    dilation: Pair, source: Affine, scale: float, zero_point: int, low: int, high: int,
) -> TensorType:  # fmt: skip
    require(
        x.rank == 4 and w.rank == 3 and x.shape[3] == w.shape[2],
        f"input {x} and weight {w} must have the same channels",
    )
    check_source(x, source)
    check_weights(w, b, q, x.shape[3], w.shape[0] * w.shape[1])
    kernel = (w.shape[0], w.shape[1])
    size = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    return result(x, (x.shape[0], *size, x.shape[3]), scale, zero_point, low, high)


def _eval(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, *, stride: Pair, padding: Quad,
    dilation: Pair, source: Affine, scale: float, zero_point: int, low: int, high: int,
) -> np.ndarray:  # fmt: skip
    kernel = (w.shape[0], w.shape[1])
    out = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    padded, weights = pad_map(x.astype(np.int32) - source[1], padding), w.astype(np.int32)
    total = np.zeros((x.shape[0], *out, x.shape[3]), np.int32)
    for ky, kx, part in taps(kernel, out, stride, dilation):
        total += padded[part] * weights[ky, kx]
    sums = wrapped(total.astype(np.int64) + b)
    return clamped(rescale(sums, q[0], q[1]), zero_point, low, high)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, _ = n.inputs
    inside, (scale, zero) = masked(n, g), n.attrs["source"]
    geometry = {key: n.attrs[key] for key in GEOMETRY}
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


def _literals(x: TensorType, w: TensorType, y: TensorType, attrs: Any) -> tuple[int, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, dilations."""
    return (
        *x.shape,
        *y.shape[1:3],
        *w.shape[:2],
        *attrs["stride"],
        *attrs["padding"][:2],
        *attrs["dilation"],
    )


def _macs(y: TensorType, w: TensorType) -> int:
    return y.size * w.shape[0] * w.shape[1]


_PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
_ODD = {"stride": (2, 2), "padding": (2, 3, 3, 2), "dilation": (1, 2)}
_X, _RELU = (0.5, -100), {"scale": 1.0, "zero_point": -128, "low": -128, "high": 127}
_CLIPPED = {"scale": 0.5, "zero_point": 9, "low": -90, "high": 101}


def _sample(x: tuple, w: tuple, geometry: dict, quant: dict) -> Sample:
    attrs = {"source": _X, **geometry, **quant}
    kinds = int8(*x, scale=_X[0], zero_point=_X[1]), weight(*w, axis=2)
    return layer_sample(*kinds, attrs, w[2], 5e3)


register(
    Op(
        "depthwise_i8",
        rows=depthwise_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=lambda n: (
            *_literals(n.inputs[0].type, n.inputs[1].type, n.type, n.attrs),
            *clamp_literals(n),
        ),
        macs=lambda n: _macs(n.type, n.inputs[1].type),
        channel_axis=2,
        samples=[
            _sample((2, 5, 4, 3), (3, 3, 3), _PLAIN, _RELU),
            _sample((1, 8, 9, 2), (5, 3, 2), _ODD, _CLIPPED),
        ],
    )
)


def _infer_dx(g: TensorType, w: TensorType, s: TensorType, *, size: Pair, **_: Any) -> TensorType:
    require(w.dtype == "int8" and s == float32(w.shape[2]), f"scales {s} do not fit weight {w}")
    return float32(g.shape[0], *size, g.shape[3])


def _eval_dx(
    g: np.ndarray, w: np.ndarray, s: np.ndarray, *, size: Pair, stride: Pair, padding: Quad,
    dilation: Pair,
) -> np.ndarray:  # fmt: skip
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, g.shape[3])
    padded, scaled, weights = np.zeros(shape, g.dtype), g * s, w.astype(g.dtype)
    for ky, kx, part in taps((w.shape[0], w.shape[1]), g.shape[1:3], stride, dilation):
        padded[part] += scaled * weights[ky, kx]
    return padded[:, top : top + size[0], left : left + size[1]]


register(
    Op(
        "depthwise_i8_dx",
        rows=depthwise_dx_rows,
        infer=_infer_dx,
        eval=_eval_dx,
        call=lambda n: _literals(n.type, n.inputs[1].type, n.inputs[0].type, n.attrs),
        macs=lambda n: _macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), weight(*w, axis=2), float32(w[2])),
                {"size": size, **geometry},
                {1: draw_int8(w), 2: lambda rng, n=w[2]: rng.uniform(0.01, 0.1, n)},
            )
            for g, w, size, geometry in [
                ((2, 5, 4, 3), (3, 3, 3), (5, 4), _PLAIN),
                ((1, 5, 5, 2), (5, 3, 2), (8, 9), _ODD),
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


def _eval_dw(
    g: np.ndarray, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair,
    scale: float, zero: int,
) -> np.ndarray:  # fmt: skip
    padded = pad_map(x.astype(g.dtype) - g.dtype.type(zero), padding)
    dw = np.zeros((*kernel, g.shape[3]), g.dtype)
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[ky, kx] = (g * padded[part]).sum((0, 1, 2))
    return dw * np.float32(scale)


register(
    Op(
        "depthwise_i8_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=lambda n, ratio: build(
            "depthwise_i8_dw", *(leading(t, ratio) for t in n.inputs), label=n.name, **n.attrs
        ),
        call=lambda n: (
            *_literals(n.inputs[1].type, n.type, n.inputs[0].type, n.attrs),
            float(n.attrs["scale"]),
            n.attrs["zero"],
        ),
        macs=lambda n: _macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), int8(*x, scale=_X[0], zero_point=_X[1])),
                {"kernel": kernel, "scale": _X[0], "zero": _X[1], **geometry},
                {1: draw_int8(x)},
            )
            for g, x, kernel, geometry in [
                ((2, 5, 4, 3), (2, 5, 4, 3), (3, 3), _PLAIN),
                ((1, 5, 5, 2), (1, 8, 9, 2), (5, 3), _ODD),
            ]
        ],
    )
)
