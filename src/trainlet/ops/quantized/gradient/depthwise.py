"""Gradients of the quantised depthwise convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.correlate import correlate_dw, correlate_dx
from trainlet.ops.depthwise import ODD, PLAIN
from trainlet.ops.op import Thunk, build, require
from trainlet.ops.quantized.gradient.block import check_block, shift_round
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.shape import leading_block
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients
from trainlet.ops.quantized.gradient.weights import weight_gain
from trainlet.ops.quantized.shape import leading
from trainlet.ops.rows import window_dx_rows
from trainlet.ops.window import Geometry, Pair


def depthwise_gradients(n: Node, g: Node) -> list[Thunk | None]:
    x, w = n.inputs[:2]
    window = Geometry.of(n)
    return layer_gradients(
        "depthwise", n, g,
        lambda: weight_gain(n, (1, *w.type.shape), window.stride, window.dilation),
        {"size": x.type.shape[1:3], **window.attrs}, {"kernel": window.kernel, **window.attrs},
    )  # fmt: skip


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, size: Pair, **_: Any
) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[2])
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _sums(
    g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int, *, size: Pair, **window: Any
) -> np.ndarray:
    scaled = shift_round(g.astype(np.int64) * r[:-1], before)
    return correlate_dx(scaled, w, size, Geometry.of_weight(w, **window))


LayerDx(
    "depthwise",
    _infer_dx,
    _sums,
    lambda n, dx: Geometry.of(n).literals(dx, n.inputs[0].type),
    axis=2,
    samples=[
        ("int16", None, (2, 5, 4, 3), (3, 3, 3), {"size": (5, 4), **PLAIN}),
        ("int16", 3, (1, 5, 5, 2), (5, 3, 2), {"size": (8, 9), **ODD}),
        ("int8", None, (1, 5, 4, 19), (3, 3, 19), {"size": (5, 4), **PLAIN}),
    ],
    rows=window_dx_rows,
).register()


def _shape_dw(g: TensorType, x: TensorType, *, kernel: Pair, **_: Any) -> tuple[int, ...]:
    require(g.shape[3] == x.shape[3], f"gradient {g} and input {x} must have the same channels")
    return *kernel, g.shape[3]


def _narrow(n: Node, ratio: float) -> Node:
    g, x, e = n.inputs
    parts = leading_block(g, e, ratio), leading(x, ratio)
    return build(n.op, *parts, e, label=n.name, **n.attrs)


LayerDw(
    "depthwise",
    _shape_dw,
    lambda g, x, **window: correlate_dw(g.astype(np.int64), x, Geometry(**window)),
    lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
    axis=2,
    source=(0.5, -100),
    samples=[
        ("int16", (2, 5, 4, 3), (2, 5, 4, 3), {"kernel": (3, 3), **PLAIN}),
        ("int16", (1, 5, 5, 2), (1, 8, 9, 2), {"kernel": (5, 3), **ODD}),
        ("int8", (1, 5, 5, 2), (1, 8, 9, 2), {"kernel": (5, 3), **ODD}),
    ],
    narrow=_narrow,
).register()
