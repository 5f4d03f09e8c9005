"""Gradients of the quantised linear layer in block floating point."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    rows,
    rule,
    shift_round,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.layer import LayerDx, check_layer, layer_dx, real_sums
from trainlet.ops.quantized.gradient.reduce import bias_gradient
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.gradient.weights import fixed_scales, weight_gain
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.shape import leading
from trainlet.ops.quantized.types import check_source, int8


@rule("linear_i8")
def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, b, _ = n.inputs
    inside, (scale, zero) = masked_block(n, g), n.attrs["source"]

    def dx() -> Node:
        outputs, inputs = w.type.shape
        gain = weight_gain(n, (outputs, 1, 1, inputs), (1, 1), (1, 1))
        return layer_dx("linear", inside(), w, fixed_scales(n), gain, label=n.name)

    def dw() -> Node:
        gradient = inside()
        return build("linear_bfp_dw", gradient, x, exponent_of(gradient), scale=scale, zero=zero,
                     label=n.name)  # fmt: skip

    return [dx, dw, lambda: bias_gradient(inside(), b), None]


def _infer_dx(g: TensorType, w: TensorType, r: TensorType, *exponents: TensorType) -> TensorType:
    check_block(g, *exponents)
    check_layer(g, w, r, w.shape[0])
    return g.with_shape((*g.shape[:-1], w.shape[1]))


def _sums(g: np.ndarray, w: np.ndarray, r: np.ndarray, before: int) -> np.ndarray:
    scaled = shift_round(g.astype(np.int64) * r[:-1], before)
    return scaled.astype(np.float64) @ w.astype(np.float64)


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
).register()


def _infer_dw(g: TensorType, x: TensorType, e: TensorType, scale: float, zero: int) -> TensorType:
    check_block(g, e)
    check_source(x, (scale, zero))
    return float32(g.shape[-1], x.shape[-1])


def _eval_dw(g: np.ndarray, x: np.ndarray, e: np.ndarray, scale: float, zero: int) -> np.ndarray:
    real = x.astype(np.float64).reshape(-1, x.shape[-1]) - zero
    return real_sums(g.astype(np.float64).reshape(-1, g.shape[-1]).T @ real, e, scale)


def _narrow(n: Node, ratio: float) -> Node:
    g, x, e = n.inputs
    return build("linear_bfp_dw", g, leading(x, ratio), e, label=n.name, **n.attrs)


register(
    Op(
        "linear_bfp_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=_narrow,
        call=lambda n: (
            rows(n.inputs[0].type),
            *n.type.shape,
            float(n.attrs["scale"]),
            n.attrs["zero"],
            width(n.inputs[0].type),
        ),
        macs=lambda n: n.type.size * rows(n.inputs[0].type),
        samples=[
            Sample(
                (block(dtype, *g), int8(*x, scale=0.5, zero_point=30), EXPONENT),
                {"scale": 0.5, "zero": 30},
                {0: draw_block(dtype, g), 1: draw_int8(x), 2: draw_exponent(-21)},
            )
            for dtype, g, x in [
                ("int16", (3, 4), (3, 5)),
                ("int16", (2, 3, 4), (2, 3, 5)),
                ("int8", (3, 4), (3, 5)),
            ]
        ],
    )
)
