"""Between float32 and mantissas."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, build, float32, register, require
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    LIMIT,
    check_block,
    exponent_of,
    power_of_two,
    width,
)
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent

BITS = {"int16": 16, "int8": 8}


def _to_type(x: TensorType, e: TensorType, dtype: str) -> TensorType:
    require(x.dtype == "float32" and e == EXPONENT, f"{x} must be float32, {e} int32[]")
    return block(dtype, *x.shape)


def _eval_to(x: np.ndarray, e: np.ndarray, dtype: str) -> np.ndarray:
    """The nearest mantissa, halves up; NaN becomes zero."""
    limit = np.float32(LIMIT[dtype])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        v = x.astype(np.float32) * power_of_two(-int(e))
    v = np.clip(np.where(np.isnan(v), np.float32(0), v), -limit, limit)
    return np.floor(v + np.float32(0.5)).astype(dtype)


_ODD = np.array([0.5, -0.5, 1.5, -1.5, 0.49999997, -0.49999997, 1e30, -1e30, np.nan, np.inf])

register(
    Op(
        "to_bfp",
        infer=_to_type,
        eval=_eval_to,
        call=lambda n: (n.type.size, LIMIT[n.type.dtype], width(n.type)),
        samples=[
            Sample((float32(5, 8), EXPONENT), {"dtype": dtype}, {1: draw_exponent(e)})
            for dtype, e in [("int16", -13), ("int8", -5), ("int8", -140)]
        ]
        + [
            Sample(
                (float32(10), EXPONENT),
                {"dtype": "int16"},
                {0: lambda rng: _ODD, 1: draw_exponent(0)},
            )
        ],
    )
)


def _from_type(g: TensorType, e: TensorType) -> TensorType:
    check_block(g, e)
    return float32(*g.shape)


register(
    Op(
        "from_bfp",
        infer=_from_type,
        eval=lambda g, e: g.astype(np.float32) * power_of_two(e),
        call=lambda n: (n.type.size, width(n.inputs[0].type)),
        samples=[
            Sample(
                (block(dtype, 4, 10), EXPONENT),
                {},
                {0: draw_block(dtype, (4, 10)), 1: draw_exponent(e)},
            )
            for dtype, e in [("int16", -20), ("int8", 3), ("int16", -150)]
        ],
    )
)


def to_block(x: Node, dtype: str) -> Node:
    """float32 as mantissas that use all their bits."""
    e = build("exponent_f32", x, bits=BITS[dtype], label=x.name)
    return build("to_bfp", x, e, dtype=dtype, label=x.name)


def from_block(g: Node) -> Node:
    """Mantissas as float32."""
    return build("from_bfp", g, exponent_of(g), label=g.name)
