"""Slices of int8 tensors by an index, and their gradient in block floating point."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.gather import (
    CASES,
    Sizes,
    drawn_index,
    evaluate,
    infer,
    infer_scatter,
    literals,
    pick,
    scatter,
    scatter_attrs,
    scatter_cases,
)
from trainlet.ops.op import OPS, Op, Sample, Thunk, build, register, typed
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    shift_even,
    width,
)
from trainlet.ops.quantized.gradient.exponent import scanned
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import affine, int8

_FLOAT = OPS["gather"]


def _infer(
    x: TensorType, index: TensorType, *, axes: Sizes, many: Sizes, copies: int
) -> TensorType:
    affine(x)
    return infer(x, index, axes=axes, many=many, copies=copies)


def _integer_gradients(n: Node, g: Node) -> list[Thunk | None]:
    copies = n.attrs["copies"]

    def dx() -> Node:
        e = exponent_of(g)
        out = scanned(g, copies, slack=copies) if copies > 1 else e
        return build("scatter_bfp", g, n.inputs[1], e, out, label=n.name, **scatter_attrs(n))

    return [dx, None]


register(
    Op(
        "gather_i8",
        infer=_infer,
        eval=evaluate,
        vjp=_FLOAT.vjp,
        vjp_bfp=_integer_gradients,
        call=_FLOAT.call,
        layout=_FLOAT.layout,
        samples=[
            Sample(
                (int8(*x), typed("int32", sum(many))),
                {"axes": axes, "many": many, "copies": prod(many)},
                {0: draw_int8(x), 1: drawn_index(pick(x, axes), many)},
            )
            for x, axes, many in CASES
        ],
    )
)


def _infer_scatter(
    g: TensorType, index: TensorType, e: TensorType, out: TensorType, *, axes: Sizes, many: Sizes,
    sizes: Sizes,
) -> TensorType:  # fmt: skip
    check_block(g, e, out)
    return infer_scatter(g, index, axes=axes, many=many, sizes=sizes)


def _scatter(
    g: np.ndarray, index: np.ndarray, e: np.ndarray, out: np.ndarray, **attrs: Sizes
) -> np.ndarray:
    share = shift_even(g, int(out) - int(e))
    return mantissas(scatter(share, index, **attrs), str(g.dtype))


register(
    Op(
        "scatter_bfp",
        infer=_infer_scatter,
        eval=_scatter,
        call=lambda n: (
            n.type.size,
            *literals(n.type, n.inputs[0].type, n.attrs["axes"]),
            width(n.type),
        ),
        samples=[
            Sample(
                (block(dtype, *g), typed("int32", sum(attrs["many"])), EXPONENT, EXPONENT),
                attrs,
                {0: draw_block(dtype, g), 1: draw, 2: draw_exponent(-9), 3: draw_exponent(-3)},
            )
            for g, attrs, draw in scatter_cases()
            for dtype in ("int16", "int8")
        ],
    )
)


def _infer_mantissas(g: TensorType, index: TensorType, e: TensorType, **attrs: Any) -> TensorType:
    check_block(g, e)
    return infer(g, index, **attrs)


register(
    Op(
        "gather_bfp",
        infer=_infer_mantissas,
        eval=lambda g, index, e, **attrs: evaluate(g, index, **attrs),
        call=lambda n: (*_FLOAT.call(n), width(n.type)),
        samples=[
            Sample(
                (block(dtype, *x), typed("int32", sum(many)), EXPONENT),
                {"axes": axes, "many": many, "copies": prod(many)},
                {
                    0: draw_block(dtype, x),
                    1: drawn_index(pick(x, axes), many),
                    2: draw_exponent(-9),
                },
            )
            for x, axes, many in CASES
            for dtype in ("int16", "int8")
        ],
    )
)
