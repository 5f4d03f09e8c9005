"""Sums of mantissas for a bias, and the gradient of a mean."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.broadcast import loop_literals, repeats_to
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    power_of_two,
    rows,
    shift_even,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.exponent import scanned
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent


def _infer_sum(g: TensorType, e: TensorType) -> TensorType:
    check_block(g, e)
    return float32(g.shape[-1])


def _eval_sum(g: np.ndarray, e: np.ndarray) -> np.ndarray:
    total = g.astype(np.int64).reshape(-1, g.shape[-1]).sum(0)
    return total.astype(np.float32) * power_of_two(e)


register(
    Op(
        "sum_bfp",
        infer=_infer_sum,
        eval=_eval_sum,
        applied="sum_bfp_sgd",
        call=lambda n: (rows(n.inputs[0].type), n.type.size, width(n.inputs[0].type)),
        samples=[
            Sample(
                (block(dtype, *g), EXPONENT), {}, {0: draw_block(dtype, g), 1: draw_exponent(-21)}
            )
            for dtype, g in [("int16", (2, 5, 4, 3)), ("int8", (7, 4)), ("int16", (6,))]
        ],
    )
)


def bias_gradient(g: Node, b: Node) -> Node:
    """The bias gradient: the sum over all positions, in float32."""
    made = build("sum_bfp", g, exponent_of(g), label=g.name)
    require(made.type.shape == b.type.shape, f"bias {b.type} does not fit {g.type}")
    return made


def _infer_broadcast(
    g: TensorType, e: TensorType, out: TensorType, *, shape: tuple[int, ...], factor: int,
    shift: int,
) -> TensorType:  # fmt: skip
    check_block(g, e, out)
    require(repeats_to(shape, g.shape), f"{g} does not fill {shape}")
    return g.with_shape(shape)


def _eval_broadcast(
    g: np.ndarray, e: np.ndarray, out: np.ndarray, *, shape: tuple[int, ...], factor: int,
    shift: int,
) -> np.ndarray:  # fmt: skip
    scaled = shift_even(g.astype(np.int64) * factor, int(out) - int(e) - shift)
    return np.broadcast_to(mantissas(scaled, str(g.dtype)), shape)


register(
    Op(
        "broadcast_bfp",
        infer=_infer_broadcast,
        eval=_eval_broadcast,
        call=lambda n: (
            n.attrs["factor"],
            n.attrs["shift"],
            *loop_literals(n.type.shape, n.inputs[0].type.shape),
            width(n.type),
        ),
        samples=[
            Sample(
                (block(dtype, *g), EXPONENT, EXPONENT),
                {"shape": shape, "factor": factor, "shift": -20},
                {0: draw_block(dtype, g), 1: draw_exponent(-7), 2: draw_exponent(out)},
            )
            for dtype, g, shape, factor, out in [
                ("int16", (2, 1, 1, 4), (2, 3, 5, 4), 32768, -12),
                ("int16", (3, 1), (3, 4), 21845, -11),
                ("int8", (2, 1, 1, 4), (2, 3, 5, 4), 17000, -12),
            ]
        ],
    )
)


def mean_gradients(n: Node, g: Node) -> list[Thunk | None]:
    x, axes, inside = n.inputs[0], n.attrs["axes"], masked_block(n, g)
    kept = tuple(1 if k in axes else size for k, size in enumerate(x.type.shape))
    fraction, shift = np.frexp(n.type.size / x.type.size)
    factor, shift = int(np.floor(fraction * 32768 + 0.5)), int(shift) - 15

    def dx() -> Node:
        whole = build("reshape", inside(), shape=kept)
        out = scanned(whole, factor, shift)
        return build("broadcast_bfp", whole, exponent_of(whole), out, shape=x.type.shape,
                     factor=factor, shift=shift, label=n.name)  # fmt: skip

    return [dx]
