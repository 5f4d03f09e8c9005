"""Gradients of the quantised transposed convolution in block floating point."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv_transpose import (
    SAMPLES,
    infer_dx,
    products,
    result,
    transposed_dw,
    transposed_dx,
    weight_shape,
)
from trainlet.ops.op import Thunk
from trainlet.ops.quantized.gradient.block import check_block, shift_round
from trainlet.ops.quantized.gradient.conv import narrow_groups
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients
from trainlet.ops.quantized.gradient.weights import weight_gain
from trainlet.ops.window import Geometry


def integer_gradients(n: Node, g: Node) -> list[Thunk | None]:
    """The integer gradient rule.  An input element is multiplied with all taps of all outputs of
    its group."""
    w, window = n.inputs[1], Geometry.of(n)
    return layer_gradients(
        "conv_transpose", n, g,
        lambda: weight_gain(n, w.type.shape, (1, 1), (1, 1), window.groups or 1),
        window.attrs, {"kernel": window.kernel, **window.attrs},
    )  # fmt: skip


def _input_sums(
    g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int, **window: Any
) -> np.ndarray:
    return transposed_dx(shift_round(g.astype(np.int64) * r[:-1], before), w, **window)


def _infer_dx(
    g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType, **window: Any
) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[0])
    return infer_dx(g, w, **window)


_NUMBERS = [("int16", None), ("int16", 3), ("int8", None)]

LayerDx(
    "conv_transpose",
    _infer_dx,
    _input_sums,
    lambda n, dx: Geometry.of(n).literals(dx, n.inputs[0].type),
    axis=0,
    samples=[
        (dtype, top, result(x, w, size), w, window)
        for x, w, size, window in SAMPLES
        for dtype, top in _NUMBERS
    ],
    macs=lambda dx, n: products(dx, n.inputs[1].type),
).register()

LayerDw(
    "conv_transpose",
    weight_shape,
    lambda g, x, **window: transposed_dw(g.astype(np.int64), x, **window),
    lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
    axis=0,
    source=(0.5, -100),
    samples=[
        (dtype, result(x, w, size), x, {"kernel": w[1:3], **window})
        for x, w, size, window in SAMPLES
        for dtype in ("int16", "int8")
    ],
    narrow=narrow_groups,
    macs=lambda n: products(n.inputs[1].type, n.type),
).register()
