"""The Fisher information of a layer's input channels, added up example by example.

For an example it is the square of the sum over the positions of activation times gradient.
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, float32, register, require
from trainlet.ops.quantized.gradient.block import EXPONENT, check_block, power_of_two, width
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import check_source, int8


def _check(total: TensorType, x: TensorType, g: TensorType) -> TensorType:
    require(
        x.rank >= 2 and x.shape == g.shape and total == float32(x.shape[-1]),
        f"{total}, {x} and {g}; allowed: float32 [channels], and two of [batch, .., channels]",
    )
    return total


def _literals(n: Node) -> tuple[int, int, int]:
    """Examples, positions, channels."""
    shape = n.inputs[1].type.shape
    return shape[0], prod(shape[1:-1]), shape[-1]


def _eval(total: np.ndarray, x: np.ndarray, g: np.ndarray) -> np.ndarray:
    result = total.copy()
    for one in (x * g).reshape(x.shape[0], -1, x.shape[-1]):
        dot = np.add.accumulate(one, axis=0)[-1]  # in the kernel's order
        result += dot * dot
    return result


register(
    Op(
        "add_fisher",
        infer=_check,
        eval=_eval,
        call=_literals,
        mutates=0,
        samples=[
            Sample((float32(3), float32(2, 4, 5, 3), float32(2, 4, 5, 3))),
            Sample((float32(4), float32(2, 4), float32(2, 4))),
        ],
    )
)


def _infer_i8(
    total: TensorType, x: TensorType, g: TensorType, e: TensorType, *, scale: float, zero: int
) -> TensorType:
    check_block(g, e)
    check_source(x, (scale, zero))
    return _check(total, x, g)


def _eval_i8(
    total: np.ndarray, x: np.ndarray, g: np.ndarray, e: np.ndarray, *, scale: float, zero: int
) -> np.ndarray:
    result, unit = total.copy(), np.float32(scale) * power_of_two(e)
    products = (x.astype(np.int64) - zero) * g
    for one in products.reshape(x.shape[0], -1, x.shape[-1]):
        dot = one.sum(0).astype(np.float32) * unit
        result += dot * dot
    return result


SOURCE = {"scale": 0.5, "zero": -100}

register(
    Op(
        "add_fisher_i8",
        infer=_infer_i8,
        eval=_eval_i8,
        call=lambda n: (
            *_literals(n),
            float(n.attrs["scale"]),
            n.attrs["zero"],
            width(n.inputs[2].type),
        ),
        mutates=0,
        samples=[
            Sample(
                (float32(x[-1]), int8(*x, scale=0.5, zero_point=-100), block(dtype, *x), EXPONENT),
                SOURCE,
                {1: draw_int8(x), 2: draw_block(dtype, x), 3: draw_exponent(-21)},
            )
            for dtype, x in [("int16", (2, 4, 5, 3)), ("int8", (2, 6))]
        ],
    )
)
