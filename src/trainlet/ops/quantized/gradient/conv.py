"""Gradients of the quantised grouped convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps
from trainlet.ops.op import Thunk, build, kept
from trainlet.ops.quantized.conv import GEOMETRY
from trainlet.ops.quantized.gradient.block import check_block, rule, shift_round
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.shape import leading_block
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients, leading_inputs
from trainlet.ops.quantized.gradient.weights import weight_gain
from trainlet.ops.quantized.shape import leading
from trainlet.ops.rows import conv_dx_rows


@rule("conv2d_i8")
def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w = n.inputs[:2]
    geometry = {key: n.attrs[key] for key in GEOMETRY}
    window = [n.attrs[key] for key in ("stride", "dilation", "groups")]
    return layer_gradients(
        "conv2d", n, g, lambda: weight_gain(n, w.type.shape, *window),
        {"size": x.type.shape[1:3], **geometry}, {"kernel": w.type.shape[1:3], **geometry},
    )  # fmt: skip


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


def _shape_dw(
    g: TensorType, x: TensorType, *, kernel: Pair, groups: int, **_: Any
) -> tuple[int, ...]:
    return g.shape[3], *kernel, x.shape[3] // groups


def _sums_dw(
    g: np.ndarray, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair,
    groups: int,
) -> np.ndarray:  # fmt: skip
    padded = pad_map(x.astype(np.float64), padding)
    padded = padded.reshape(*padded.shape[:3], groups, -1)
    gradient = g.astype(np.float64).reshape(*g.shape[:3], groups, -1)
    dw = np.zeros((groups, gradient.shape[-1], *kernel, padded.shape[-1]))
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[:, :, ky, kx] = np.einsum("nhwgo,nhwgi->goi", gradient, padded[part], optimize=True)
    return dw.reshape(-1, *dw.shape[2:])


def _narrow(n: Node, ratio: float) -> Node:
    """The leading input channels; in a grouped convolution, the leading groups."""
    (g, x, e), groups = n.inputs, n.attrs["groups"]
    if groups == 1:
        return leading_inputs(n, ratio)
    share = kept(groups, ratio)
    parts = leading_block(g, e, share / groups), leading(x, share / groups)
    return build(n.op, *parts, e, label=n.name, **{**n.attrs, "groups": share})


LayerDw(
    "conv2d",
    _shape_dw,
    _sums_dw,
    lambda n: _literals(n.inputs[1].type, n.type, n.inputs[0].type, n),
    axis=0,
    source=(0.5, -100),
    samples=[
        ("int16", (2, 5, 4, 4), (2, 5, 4, 3), {"kernel": (3, 3), **_PLAIN}),
        ("int16", (1, 3, 6, 6), (1, 7, 6, 4), {"kernel": (3, 3), **_ODD}),
        ("int8", (1, 3, 6, 6), (1, 7, 6, 4), {"kernel": (3, 3), **_ODD}),
    ],
    narrow=_narrow,
).register()
