"""The clamp's mask on mantissas, and the sum of two gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.elementwise import reduced
from trainlet.ops.op import Op, Sample, Thunk, build, register, require, typed
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    moved,
    width,
)
from trainlet.ops.quantized.gradient.convert import from_block
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.row_access import pair_rows


def _mask_type(g: TensorType, mask: TensorType, e: TensorType) -> TensorType:
    check_block(g, e)
    require(mask == typed("uint8", (g.size + 7) // 8), f"mask {mask} does not fit {g}")
    return g


def _eval_mask(g: np.ndarray, mask: np.ndarray, e: np.ndarray) -> np.ndarray:
    inside = np.unpackbits(mask, count=g.size, bitorder="little").reshape(g.shape)
    return np.where(inside, g, g.dtype.type(0))


register(
    Op(
        "mask_bfp",
        rows=pair_rows,
        infer=_mask_type,
        eval=_eval_mask,
        call=lambda n: (n.type.size, width(n.type)),
        inplace=(0,),
        samples=[
            Sample(
                (block(dtype, 3, 5), typed("uint8", 2), EXPONENT),
                {},
                {
                    0: draw_block(dtype, (3, 5)),
                    1: lambda rng: rng.integers(0, 256, 2).astype(np.uint8),
                },
            )
            for dtype in ("int16", "int8")
        ],
    )
)


def masked_block(n: Node, g: Node) -> Callable[[], Node]:
    """The gradient of n before its clamp, built once, by whoever needs it first."""

    @cache
    def inside() -> Node:
        low, high = n.attrs["low"], n.attrs["high"]
        mask = build("clamp_mask_i8", n, low=low, high=high, label=n.name)
        return build("mask_bfp", g, mask, exponent_of(g), label=n.name)

    return inside


def _add_type(
    a: TensorType, b: TensorType, ea: TensorType, eb: TensorType, out: TensorType
) -> TensorType:
    require(a == b, f"{a} and {b} differ")
    check_block(a, ea, eb, out)
    return a


def _eval_add(
    a: np.ndarray, b: np.ndarray, ea: np.ndarray, eb: np.ndarray, out: np.ndarray
) -> np.ndarray:
    terms = (moved(x, int(out) - int(e)) for x, e in ((a, ea), (b, eb)))
    return mantissas(sum(terms), str(a.dtype))  # type: ignore[arg-type]


register(
    Op(
        "add_bfp",
        rows=pair_rows,
        infer=_add_type,
        eval=_eval_add,
        call=lambda n: (n.type.size, width(n.type)),
        inplace=(0, 1),
        samples=[
            Sample(
                (block(dtype, 30), block(dtype, 30), EXPONENT, EXPONENT, EXPONENT),
                {},
                {
                    0: draw_block(dtype, (30,), top),
                    1: draw_block(dtype, (30,)),
                    2: draw_exponent(-20),
                    3: draw_exponent(other),
                    4: draw_exponent(out),
                },
            )
            for dtype, top, other, out in [
                ("int16", None, -20, -18),
                ("int16", 5, -29, -28),
                ("int16", None, -90, -19),
                ("int8", None, -18, -16),
            ]
        ],
    )
)


def block_sum(a: Node, b: Node) -> Node:
    """a + b, both of mantissas."""
    exponents = exponent_of(a), exponent_of(b)
    out = build("exponent_add", a, b, *exponents, label=a.name)
    return build("add_bfp", a, b, *exponents, out, label=a.name)


def requantize_gradients(n: Node, g: Node) -> list[Thunk | None]:
    return [masked_block(n, g)]


def add_gradients(n: Node, g: Node) -> list[Thunk | None]:
    """The gradient of a broadcast operand is summed in float32."""
    inside = masked_block(n, g)

    def side(operand: Node) -> Thunk:
        if operand.type.shape == n.type.shape:
            return inside
        return lambda: reduced(from_block(inside()), operand)

    return [side(i) for i in n.inputs]
