"""Gradients of the quantised depthwise convolution in block floating point."""

from __future__ import annotations

from typing import Any

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels
from trainlet.ops.depthwise import ODD, PLAIN
from trainlet.ops.op import Chosen, build, require
from trainlet.ops.quantized.gradient.block import check_block
from trainlet.ops.quantized.gradient.conv import input_sums, weight_sums
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw
from trainlet.ops.row_access import window_dx_rows
from trainlet.ops.window import Geometry, Pair


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, size: Pair, **_: Any
) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[2])
    return g.with_shape((g.shape[0], *size, g.shape[3]))


LayerDx(
    "depthwise",
    _infer_dx,
    input_sums,
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


def _narrow(n: Node, chosen: Chosen) -> Node:
    g, x, e = n.inputs
    parts = chosen_channels(g, chosen, exponent=e), chosen_channels(x, chosen)
    return build(n.op, *parts, e, label=n.name, **n.attrs)


LayerDw(
    "depthwise",
    _shape_dw,
    weight_sums,
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
