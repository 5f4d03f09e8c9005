"""Gradients of the quantised linear layer in block floating point."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.correlate import exact_floats
from trainlet.ops.op import Thunk
from trainlet.ops.quantized.gradient.block import check_block, rows, shift_round
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer
from trainlet.ops.quantized.gradient.weight_gradient import LayerDw, layer_gradients
from trainlet.ops.quantized.gradient.weights import weight_gain


def linear_gradients(n: Node, g: Node, inside: Thunk | None = None) -> list[Thunk | None]:
    """The integer gradient rule of a quantised linear layer; `inside` as of `layer_gradients`."""
    outputs, inputs = n.inputs[1].type.shape
    view = (outputs, 1, 1, inputs)
    return layer_gradients(
        "linear", n, g, lambda: weight_gain(n, view, (1, 1), (1, 1)), {}, {}, inside
    )


def _infer_dx(g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[0])
    return g.with_shape((*g.shape[:-1], w.shape[1]))


def _sums(g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int) -> np.ndarray:
    scaled, weight = exact_floats(shift_round(g.astype(np.int64) * r[:-1], before), w, len(w))
    return scaled @ weight


LayerDx(
    "linear",
    _infer_dx,
    _sums,
    lambda n, dx: (rows(dx), *n.inputs[1].type.shape),
    axis=0,
    samples=[
        ("int16", None, (3, 4), (4, 37), {}),
        ("int16", 3, (2, 3, 4), (4, 37), {}),
        ("int8", None, (4,), (4, 37), {}),
    ],
    inputs_apart=True,
).register()


def _sums_dw(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    gradient, real = exact_floats(
        g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1]), g[..., 0].size
    )
    return gradient.T @ real


LayerDw(
    "linear",
    lambda g, x: (g.shape[-1], x.shape[-1]),
    _sums_dw,
    lambda n: (rows(n.inputs[0].type), *n.type.shape),
    axis=0,
    source=(0.5, 30),
    samples=[
        ("int16", (3, 4), (3, 5), {}),
        ("int16", (2, 3, 4), (2, 3, 5), {}),
        ("int8", (3, 4), (3, 5), {}),
    ],
).register()
