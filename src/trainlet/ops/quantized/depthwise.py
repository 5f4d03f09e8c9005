"""Quantised depthwise convolution, channels last: w int8 [KH,KW,C]; and its float32 gradients."""

from __future__ import annotations

from typing import Any

from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.depthwise import ODD, PLAIN
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, build, float32, register, require
from trainlet.ops.quantized.conv import (
    clamp_literals,
    convolve,
    convolve_dw,
    convolve_dx,
    gradients,
    infer,
)
from trainlet.ops.quantized.gradient.conv import convolution_gradients
from trainlet.ops.quantized.sampling import draw_int8, layer_sample
from trainlet.ops.quantized.types import check_source, int8, weight
from trainlet.ops.row_access import window_dx_rows, window_rows
from trainlet.ops.window import Geometry, Pair

_X, _RELU = (0.5, -100), {"scale": 1.0, "zero_point": -128, "low": -128, "high": 127}
_CLIPPED = {"scale": 0.5, "zero_point": 9, "low": -90, "high": 101}


def _sample(x: tuple, w: tuple, geometry: dict, quant: dict) -> Sample:
    attrs = {"source": _X, **geometry, **quant}
    kinds = int8(*x, scale=_X[0], zero_point=_X[1]), weight(*w, axis=2)
    return layer_sample(*kinds, attrs, w[2], 5e3)


DEPTHWISE_I8 = register(
    Op(
        "depthwise_i8",
        rows=window_rows,
        infer=infer,
        eval=convolve,
        vjp=gradients,
        vjp_bfp=convolution_gradients,
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


register(
    Op(
        "depthwise_i8_dx",
        rows=window_dx_rows,
        infer=_infer_dx,
        eval=convolve_dx,
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


register(
    Op(
        "depthwise_i8_dw",
        infer=_infer_dw,
        eval=convolve_dw,
        narrow=lambda n, chosen: build(
            n.op, *(chosen_channels(t, chosen) for t in n.inputs), label=n.name, **n.attrs
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
