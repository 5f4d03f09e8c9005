"""Gradients of the quantised grouped convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels, size_of
from trainlet.ops.conv import ODD, PLAIN, POINT
from trainlet.ops.correlate import correlate_dw, correlate_dx
from trainlet.ops.op import Chosen, Thunk, build
from trainlet.ops.quantized.gradient.block import check_block, shift_round
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients, narrow_inputs
from trainlet.ops.quantized.gradient.weights import weight_gain
from trainlet.ops.row_access import window_dx_rows
from trainlet.ops.window import Geometry, Pair


def convolution_gradients(n: Node, g: Node, inside: Thunk | None = None) -> list[Thunk | None]:
    """The integer gradient rule of a quantised convolution, depthwise or not; `inside` as of
    `layer_gradients`."""
    (x, w), window = n.inputs[:2], Geometry.of(n)
    view = w.type.shape if w.type.rank == 4 else (1, *w.type.shape)
    return layer_gradients(
        n.op.removesuffix("_i8"), n, g,
        lambda: weight_gain(n, view, window.stride, window.dilation, window.groups or 1),
        {"size": x.type.shape[1:3], **window.attrs}, {"kernel": window.kernel, **window.attrs},
        inside,
    )  # fmt: skip


def input_sums(
    g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int, *, size: Pair, **window: Any
) -> np.ndarray:
    """Sums of the input's gradient, for `LayerDx`."""
    scaled = shift_round(g.astype(np.int64) * r[:-1], before)
    return correlate_dx(scaled, w, size, Geometry.of_weight(w, **window))


def weight_sums(g: np.ndarray, x: np.ndarray, **window: Any) -> np.ndarray:
    """Sums of the weight's gradient, for `LayerDw`."""
    return correlate_dw(g.astype(np.int64), x, Geometry(**window))


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, size: Pair, groups: int,
    **_: Any,
) -> TensorType:  # fmt: skip
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[0])
    return g.with_shape((g.shape[0], *size, w.shape[3] * groups))


LayerDx(
    "conv2d",
    _infer_dx,
    input_sums,
    lambda n, dx: Geometry.of(n).literals(dx, n.inputs[0].type),
    axis=0,
    samples=[
        ("int16", None, (2, 5, 4, 4), (4, 3, 3, 3), {"size": (5, 4), **PLAIN}),
        ("int16", 3, (1, 3, 6, 6), (6, 3, 3, 2), {"size": (7, 6), **ODD}),
        ("int8", None, (1, 3, 6, 6), (6, 3, 3, 2), {"size": (7, 6), **ODD}),
        ("int16", None, (1, 2, 2, 3), (3, 1, 1, 37), {"size": (2, 2), **POINT}),
    ],
    rows=window_dx_rows,
    inputs_apart=True,
).register()


def _shape_dw(
    g: TensorType, x: TensorType, *, kernel: Pair, groups: int, **_: Any
) -> tuple[int, ...]:
    return g.shape[3], *kernel, x.shape[3] // groups


def narrow_groups(n: Node, chosen: Chosen) -> Node:
    """The chosen input channels; in a grouped convolution, the chosen groups."""
    (g, x, e), groups = n.inputs, n.attrs["groups"]
    if groups == 1:
        return narrow_inputs(n, chosen)
    parts = chosen_channels(g, chosen, groups, e), chosen_channels(x, chosen, groups)
    attrs = {**n.attrs, "groups": size_of(chosen, groups)}
    return build(n.op, *parts, e, label=n.name, **attrs)


LayerDw(
    "conv2d",
    _shape_dw,
    weight_sums,
    lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
    axis=0,
    source=(0.5, -100),
    samples=[
        ("int16", (2, 5, 4, 4), (2, 5, 4, 3), {"kernel": (3, 3), **PLAIN}),
        ("int16", (1, 3, 6, 6), (1, 7, 6, 4), {"kernel": (3, 3), **ODD}),
        ("int8", (1, 3, 6, 6), (1, 7, 6, 4), {"kernel": (3, 3), **ODD}),
    ],
    narrow=narrow_groups,
).register()
