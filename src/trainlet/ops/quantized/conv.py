"""Quantised grouped convolution, channels last, and its float32 gradients.

x int8 [N,H,W,C], w int8 [O,KH,KW,C/groups], b int32 [O], q int32 [2,O] (see `requantization`).
`source` is x's scale and zero point; padding means x's zero point, a real 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import ODD, PLAIN, POINT, narrowed, result_shape
from trainlet.ops.correlate import correlate, correlate_dw, correlate_dx
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
)
from trainlet.ops.quantized.cast import weight_scales
from trainlet.ops.quantized.fixed_point import Affine, clamped, rescale, wrapped
from trainlet.ops.quantized.gradient.conv import convolution_gradients
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import check_source, check_weights, int8, masked, result, weight
from trainlet.ops.row_access import window_dx_rows, window_rows
from trainlet.ops.window import Geometry, Pair


def infer(
    x: TensorType, w: TensorType, b: TensorType, q: TensorType, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, **window: Any,
) -> TensorType:  # fmt: skip
    """The type of the result of a quantised convolution, depthwise or not."""
    shape = result_shape(x, w, Geometry.of_weight(w, **window))
    check_source(x, source)
    check_weights(w, b, q, shape[3], w.size // shape[3])
    return result(x, shape, scale, zero_point, low, high)


def convolve(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, q: np.ndarray, *, source: Affine, scale: float,
    zero_point: int, low: int, high: int, **window: Any,
) -> np.ndarray:  # fmt: skip
    """The result of a quantised convolution, depthwise or not."""
    real = x.astype(np.int16) - source[1]
    sums = wrapped(correlate(real, w, Geometry.of_weight(w, **window)) + b)
    return clamped(rescale(sums, q[0], q[1]), zero_point, low, high)


def convolve_dx(
    g: np.ndarray, w: np.ndarray, s: np.ndarray, *, size: Pair, **window: Any
) -> np.ndarray:
    """The gradient of x from that of the result; s are the weight's scales."""
    scaled = (g * s).astype(g.dtype)
    return correlate_dx(scaled, w.astype(g.dtype), size, Geometry.of_weight(w, **window))


def convolve_dw(
    g: np.ndarray, x: np.ndarray, *, scale: float, zero: int, **window: Any
) -> np.ndarray:
    """The gradient of the weight from that of the result; scale and zero point are those of x."""
    real = x.astype(g.dtype) - g.dtype.type(zero)
    return correlate_dw(g, real, Geometry(**window)) * np.float32(scale)


def gradients(n: Node, g: Node, inside: Thunk | None = None) -> list[Thunk | None]:
    """The gradient rule of a quantised convolution, depthwise or not, in float32.

    inside: makes the gradient before the clamp, where that is known
    """
    x, w, b, _ = n.inputs
    inside, (scale, zero), window = inside or masked(n, g), n.attrs["source"], Geometry.of(n)
    dx = {"size": x.type.shape[1:3], **window.attrs}
    dw = {"kernel": window.kernel, **window.attrs, "scale": scale, "zero": zero}
    return [
        lambda: build(f"{n.op}_dx", inside(), w, weight_scales(n), label=n.name, **dx),
        lambda: build(f"{n.op}_dw", inside(), x, label=n.name, **dw),
        lambda: build("sum_to", inside(), shape=b.type.shape, label=n.name),
        None,
    ]


def clamp_literals(n: Node) -> tuple[int, ...]:
    """Zero point of the input, zero point and clamp of the result."""
    return n.attrs["source"][1], n.attrs["zero_point"], n.attrs["low"], n.attrs["high"]


def _in_parts(n: Node, parts: Sequence[Node]) -> Node | None:
    if n.attrs["groups"] > 1:
        return None
    x, _, b, q = n.inputs
    return build("conv2d_parts_i8", x, *parts, b, q, label=n.name, **n.attrs)


_X, _RELU = (0.5, -100), {"scale": 2.0, "zero_point": -128, "low": -128, "high": 127}
_CLIPPED = {"scale": 0.75, "zero_point": 9, "low": -90, "high": 101}


def _sample(x: tuple, w: tuple, geometry: dict, quant: dict) -> Sample:
    attrs = {"source": _X, **geometry, **quant}
    kinds = int8(*x, scale=_X[0], zero_point=_X[1]), weight(*w)
    return layer_sample(*kinds, attrs, w[0], 5e3)


CONV2D_I8 = register(
    Op(
        "conv2d_i8",
        rows=window_rows,
        infer=infer,
        eval=convolve,
        vjp=gradients,
        vjp_bfp=convolution_gradients,
        of_parts=_in_parts,
        call=lambda n: (
            *Geometry.of(n).literals(n.inputs[0].type, n.type),
            *clamp_literals(n),
        ),
        macs=lambda n: Geometry.of(n).macs(n.type, n.inputs[1].type),
        channel_axis=0,
        samples=[
            _sample((2, 5, 4, 3), (4, 3, 3, 3), PLAIN, _RELU),
            _sample((1, 7, 6, 4), (6, 3, 3, 2), ODD, _CLIPPED),
            _sample((1, 3, 3, 5), (2, 1, 1, 5), POINT, _CLIPPED),
        ],
    )
)


def _infer_dx(
    g: TensorType, w: TensorType, s: TensorType, *, size: Pair, groups: int, **_: Any
) -> TensorType:
    require(w.dtype == "int8" and s == float32(w.shape[0]), f"scales {s} do not fit weight {w}")
    return float32(g.shape[0], *size, w.shape[3] * groups)


register(
    Op(
        "conv2d_i8_dx",
        rows=window_dx_rows,
        infer=_infer_dx,
        eval=convolve_dx,
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*g), weight(*w), float32(w[0])),
                {"size": size, **geometry},
                {1: draw_int8(w), 2: lambda rng, n=w[0]: rng.uniform(0.01, 0.1, n)},
            )
            for g, w, size, geometry in [
                ((2, 5, 4, 4), (4, 3, 3, 3), (5, 4), PLAIN),
                ((1, 3, 6, 6), (6, 3, 3, 2), (7, 6), ODD),
            ]
        ],
    )
)


def _infer_dw(
    g: TensorType, x: TensorType, *, kernel: Pair, groups: int, scale: float, zero: int, **_: Any
) -> TensorType:
    check_source(x, (scale, zero))
    return float32(g.shape[3], *kernel, x.shape[3] // groups)


register(
    Op(
        "conv2d_i8_dw",
        infer=_infer_dw,
        eval=convolve_dw,
        narrow=narrowed,
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
                {"kernel": (3, 3), "scale": _X[0], "zero": _X[1], **geometry},
                {1: draw_int8(x)},
            )
            for g, x, geometry in [
                ((2, 5, 4, 4), (2, 5, 4, 3), PLAIN),
                ((1, 3, 6, 6), (1, 7, 6, 4), ODD),
            ]
        ],
    )
)
