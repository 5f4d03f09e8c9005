"""Gradients of the quantised grouped convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps
from trainlet.ops.op import Op, Sample, Thunk, build, float32, kept, register
from trainlet.ops.quantized.conv import GEOMETRY
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    rule,
    shift_round,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer, layer_dx, real_sums
from trainlet.ops.quantized.gradient.reduce import bias_gradient
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.gradient.shape import leading_block
from trainlet.ops.quantized.gradient.weights import fixed_scales, weight_gain
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.shape import leading
from trainlet.ops.quantized.types import check_source, int8
from trainlet.ops.rows import conv_dx_rows


@rule("conv2d_i8")
def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, _ = n.inputs
    inside, (scale, zero) = masked_block(n, g), n.attrs["source"]
    geometry = {key: n.attrs[key] for key in GEOMETRY}

    def dx() -> Node:
        gradient, scales = inside(), fixed_scales(n)
        window = (n.attrs[key] for key in ("stride", "dilation", "groups"))
        return layer_dx("conv2d", gradient, w, scales, weight_gain(n, w.type.shape, *window),
                        size=x.type.shape[1:3], **geometry, label=n.name)  # fmt: skip

    def dw() -> Node:
        gradient = inside()
        return build("conv2d_bfp_dw", gradient, x, exponent_of(gradient), kernel=w.type.shape[1:3],
                     scale=scale, zero=zero, **geometry, label=n.name)  # fmt: skip

    return [dx, dw, lambda: bias_gradient(inside(), b), None]


def _literals(x: TensorType, w: TensorType, y: TensorType, n: Node) -> tuple[int, ...]:
    """N H W C, OH OW O, KH KW, strides, top and left padding, dilations, groups."""
    a = n.attrs
    top_left = a["padding"][:2]
    return (*x.shape, *y.shape[1:], *w.shape[1:3], *a["stride"], *top_left, *a["dilation"],
            a["groups"])  # fmt: skip


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, size: Pair, groups: int,
    **_: Any,
) -> TensorType:  # fmt: skip
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[0])
    return g.with_shape((g.shape[0], *size, w.shape[3] * groups))


def _sums(
    g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int, *, size: Pair, stride: Pair,
    padding: Quad, dilation: Pair, groups: int,
) -> np.ndarray:  # fmt: skip
    """31 bits, exact in float64 in whatever order BLAS adds."""
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, w.shape[3] * groups)
    padded, weights = np.zeros(shape), w.astype(np.float64)
    scaled = shift_round(g.astype(np.int64) * r[:-1], before).astype(np.float64)
    many, few = w.shape[0] // groups, w.shape[3]
    for ky, kx, part in taps((w.shape[1], w.shape[2]), g.shape[1:3], stride, dilation):
        for k in range(groups):
            own = slice(k * many, (k + 1) * many)
            into = (*part, slice(k * few, (k + 1) * few))
            padded[into] += scaled[..., own] @ weights[own, ky, kx]
    return padded[:, top : top + size[0], left : left + size[1]]


_PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
_ODD = {"stride": (2, 1), "padding": (0, 2, 1, 2), "dilation": (1, 2), "groups": 2}
_WIDE = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}

LayerDx(
    "conv2d",
    _infer_dx,
    _sums,
    lambda n, dx: _literals(dx, n.inputs[1].type, n.inputs[0].type, n),
    axis=0,
    samples=[
        ("int16", None, (2, 5, 4, 4), (4, 3, 3, 3), {"size": (5, 4), **_PLAIN}),
        ("int16", 3, (1, 3, 6, 6), (6, 3, 3, 2), {"size": (7, 6), **_ODD}),
        ("int8", None, (1, 3, 6, 6), (6, 3, 3, 2), {"size": (7, 6), **_ODD}),
        ("int16", None, (1, 2, 2, 3), (3, 1, 1, 37), {"size": (2, 2), **_WIDE}),
    ],
    rows=conv_dx_rows,
).register()


def _infer_dw(
    g: TensorType, x: TensorType, e: TensorType, *, kernel: Pair, groups: int, scale: float,
    zero: int, **_: Any,
) -> TensorType:  # fmt: skip
    check_block(g, e)
    check_source(x, (scale, zero))
    return float32(g.shape[3], *kernel, x.shape[3] // groups)


def _eval_dw(
    g: np.ndarray, x: np.ndarray, e: np.ndarray, *, kernel: Pair, stride: Pair, padding: Quad,
    dilation: Pair, groups: int, scale: float, zero: int,
) -> np.ndarray:  # fmt: skip
    padded = pad_map(x.astype(np.float64) - zero, padding)
    padded = padded.reshape(*padded.shape[:3], groups, -1)
    gradient = g.astype(np.float64).reshape(*g.shape[:3], groups, -1)
    dw = np.zeros((groups, gradient.shape[-1], *kernel, padded.shape[-1]))
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[:, :, ky, kx] = np.einsum("nhwgo,nhwgi->goi", gradient, padded[part], optimize=True)
    return real_sums(dw.reshape(-1, *dw.shape[2:]), e, scale)


def _narrow(n: Node, ratio: float) -> Node:
    """The leading input channels; in a grouped convolution, the leading groups."""
    (g, x, e), groups = n.inputs, n.attrs["groups"]
    if groups == 1:
        return build("conv2d_bfp_dw", g, leading(x, ratio), e, label=n.name, **n.attrs)
    share = kept(groups, ratio)
    parts = leading_block(g, e, share / groups), leading(x, share / groups)
    return build("conv2d_bfp_dw", *parts, e, label=n.name, **{**n.attrs, "groups": share})


_X = (0.5, -100)

register(
    Op(
        "conv2d_bfp_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=_narrow,
        call=lambda n: (
            *_literals(n.inputs[1].type, n.type, n.inputs[0].type, n),
            float(n.attrs["scale"]),
            n.attrs["zero"],
            width(n.inputs[0].type),
        ),
        macs=lambda n: n.inputs[0].type.size * n.type.size // n.type.shape[0],
        samples=[
            Sample(
                (block(dtype, *g), int8(*x, scale=_X[0], zero_point=_X[1]), EXPONENT),
                {"kernel": (3, 3), "scale": _X[0], "zero": _X[1], **geometry},
                {0: draw_block(dtype, g), 1: draw_int8(x), 2: draw_exponent(-21)},
            )
            for dtype, g, x, geometry in [
                ("int16", (2, 5, 4, 4), (2, 5, 4, 3), _PLAIN),
                ("int16", (1, 3, 6, 6), (1, 7, 6, 4), _ODD),
                ("int8", (1, 3, 6, 6), (1, 7, 6, 4), _ODD),
            ]
        ],
    )
)
