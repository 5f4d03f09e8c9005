"""Gradients of the quantised depthwise convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps
from trainlet.ops.op import Thunk, build, require
from trainlet.ops.quantized.depthwise import GEOMETRY
from trainlet.ops.quantized.gradient.block import check_block, rule, shift_round
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.shape import leading_block
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients
from trainlet.ops.quantized.gradient.weights import weight_gain
from trainlet.ops.quantized.shape import leading
from trainlet.ops.rows import depthwise_dx_rows


@rule("depthwise_i8")
def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w = n.inputs[:2]
    geometry = {key: n.attrs[key] for key in GEOMETRY}
    window = n.attrs["stride"], n.attrs["dilation"]
    return layer_gradients(
        "depthwise", n, g, lambda: weight_gain(n, (1, *w.type.shape), *window),
        {"size": x.type.shape[1:3], **geometry}, {"kernel": w.type.shape[:2], **geometry},
    )  # fmt: skip


def _literals(x: TensorType, w: TensorType, y: TensorType, n: Node) -> tuple[int, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, dilations, bytes of a mantissa."""
    a = n.attrs
    top_left = a["padding"][:2]
    return (*x.shape, *y.shape[1:3], *w.shape[:2], *a["stride"], *top_left, *a["dilation"])


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, size: Pair, **_: Any
) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[2])
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _sums(
    g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int, *, size: Pair, stride: Pair,
    padding: Quad, dilation: Pair,
) -> np.ndarray:  # fmt: skip
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, g.shape[3])
    padded, weights = np.zeros(shape, np.int64), w.astype(np.int64)
    scaled = shift_round(g.astype(np.int64) * r[:-1], before)
    for ky, kx, part in taps((w.shape[0], w.shape[1]), g.shape[1:3], stride, dilation):
        padded[part] += scaled * weights[ky, kx]
    return padded[:, top : top + size[0], left : left + size[1]]


_PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
_ODD = {"stride": (2, 2), "padding": (2, 3, 3, 2), "dilation": (1, 2)}

LayerDx(
    "depthwise",
    _infer_dx,
    _sums,
    lambda n, dx: _literals(dx, n.inputs[1].type, n.inputs[0].type, n),
    axis=2,
    samples=[
        ("int16", None, (2, 5, 4, 3), (3, 3, 3), {"size": (5, 4), **_PLAIN}),
        ("int16", 3, (1, 5, 5, 2), (5, 3, 2), {"size": (8, 9), **_ODD}),
        ("int8", None, (1, 5, 4, 19), (3, 3, 19), {"size": (5, 4), **_PLAIN}),
    ],
    rows=depthwise_dx_rows,
).register()


def _shape_dw(g: TensorType, x: TensorType, *, kernel: Pair, **_: Any) -> tuple[int, ...]:
    require(g.shape[3] == x.shape[3], f"gradient {g} and input {x} must have the same channels")
    return *kernel, g.shape[3]


def _sums_dw(
    g: np.ndarray, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair
) -> np.ndarray:
    padded, gradient = pad_map(x, padding), g.astype(np.int64)
    dw = np.zeros((*kernel, g.shape[3]), np.int64)
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[ky, kx] = (gradient * padded[part]).sum((0, 1, 2))
    return dw


def _narrow(n: Node, ratio: float) -> Node:
    g, x, e = n.inputs
    parts = leading_block(g, e, ratio), leading(x, ratio)
    return build(n.op, *parts, e, label=n.name, **n.attrs)


LayerDw(
    "depthwise",
    _shape_dw,
    _sums_dw,
    lambda n: _literals(n.inputs[1].type, n.type, n.inputs[0].type, n),
    axis=2,
    source=(0.5, -100),
    samples=[
        ("int16", (2, 5, 4, 3), (2, 5, 4, 3), {"kernel": (3, 3), **_PLAIN}),
        ("int16", (1, 5, 5, 2), (1, 8, 9, 2), {"kernel": (5, 3), **_ODD}),
        ("int8", (1, 5, 5, 2), (1, 8, 9, 2), {"kernel": (5, 3), **_ODD}),
    ],
    narrow=_narrow,
).register()
