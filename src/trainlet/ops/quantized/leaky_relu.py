"""Quantised LeakyReLU, and its gradient in block floating point.

Both sides of zero are rescaled to the result's scale, each by its own factor: TensorFlow Lite's
arithmetic, bit for bit.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.activation import mask_type, unpacked
from trainlet.ops.layout import ELEMENTWISE
from trainlet.ops.op import Literal, Op, Sample, Thunk, build, register, require, typed
from trainlet.ops.quantized.fixed_point import Affine, clamped, quantize_multiplier, rescale
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    shift_even,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.sampling import block, draw_block
from trainlet.ops.quantized.types import HIGHEST, check_source, int8, masked, result
from trainlet.ops.row_access import own_rows, pair_rows


def has_integer_slope(slope: float) -> bool:
    """Whether the slope below zero is one that the integer op takes."""
    return 0 < slope <= 1


def _factors(source: Affine, scale: float, slope: float) -> tuple[tuple[int, int], ...]:
    """Rescaling above and below zero."""
    x, y = np.float32(source[0]), np.float32(scale)
    factors = x / y, x * np.float32(slope) / y
    return tuple(quantize_multiplier(float(f)) for f in factors)


def _infer(
    x: TensorType, *, slope: float, source: Affine, scale: float, zero_point: int, low: int,
    high: int,
) -> TensorType:  # fmt: skip
    check_source(x, source)
    require(has_integer_slope(slope), f"slope {slope}; allowed of int8: above 0, at most 1")
    _factors(source, scale, slope)
    return result(x, x.shape, scale, zero_point, low, high)


def _eval(
    x: np.ndarray, *, slope: float, source: Affine, scale: float, zero_point: int, low: int,
    high: int,
) -> np.ndarray:  # fmt: skip
    real = x.astype(np.int64) - source[1]
    above, below = (rescale(real, *factor) for factor in _factors(source, scale, slope))
    return clamped(np.where(real >= 0, above, below), zero_point, low, high)


def _positive(n: Node) -> Node:
    """A packed mask of the inputs above zero."""
    zero = n.attrs["source"][1]
    return build("clamp_mask_i8", n.inputs[0], low=zero, high=HIGHEST + 1, label=n.name)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    inside, slope = masked(n, g), n.attrs["slope"]
    return [lambda: build("leaky_relu_dx", inside(), _positive(n), slope=slope, label=n.name)]


def _vjp_bfp(n: Node, g: Node) -> list[Thunk | None]:
    inside = masked_block(n, g)

    def dx() -> Node:
        gradient, slope = inside(), round(n.attrs["slope"] * 32768)
        e = exponent_of(gradient)
        return build("leaky_relu_bfp_dx", gradient, _positive(n), e, slope=slope, label=n.name)

    return [dx]


def _literals(n: Node) -> tuple[Literal, ...]:
    """Size, zero point of the input, two factors, zero point and clamp of the result."""
    a = n.attrs
    factors = _factors(a["source"], a["scale"], a["slope"])
    clamp = a["zero_point"], a["low"], a["high"]
    return n.type.size, a["source"][1], *(k for factor in factors for k in factor), *clamp


register(
    Op(
        "leaky_relu_i8",
        rows=own_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        vjp_bfp=_vjp_bfp,
        call=_literals,
        inplace=(0,),
        layout=ELEMENTWISE,
        samples=[
            Sample(
                (int8(256, scale=source[0], zero_point=source[1]),),
                {"slope": slope, "source": source, "scale": scale, "zero_point": 12, "low": low,
                 "high": 127},
                {0: lambda rng: np.arange(-128, 128).astype(np.int8)},
            )
            for source, scale, slope, low in [
                ((0.5, -9), 0.75, 0.01, -128), ((0.5, 40), 0.0625, 0.25, -90),
            ]
        ],
    )
)  # fmt: skip


def _infer_dx(g: TensorType, mask: TensorType, e: TensorType, slope: int) -> TensorType:
    check_block(g, e)
    require(mask == mask_type(g), f"mask {mask} does not fit {g}")
    return g


def _eval_dx(g: np.ndarray, mask: np.ndarray, e: np.ndarray, slope: int) -> np.ndarray:
    below = mantissas(shift_even(g.astype(np.int64) * slope, 15), str(g.dtype))
    return np.where(unpacked(mask, g.shape), g, below)


register(
    Op(
        "leaky_relu_bfp_dx",
        rows=pair_rows,
        infer=_infer_dx,
        eval=_eval_dx,
        call=lambda n: (n.type.size, n.attrs["slope"], width(n.type)),
        inplace=(0,),
        samples=[
            Sample(
                (block(dtype, 3, 5), typed("uint8", 2), EXPONENT),
                {"slope": slope},
                {
                    0: draw_block(dtype, (3, 5)),
                    1: lambda rng: rng.integers(0, 256, 2).astype(np.uint8),
                },
            )
            for dtype, slope in [("int16", 328), ("int8", 8192), ("int16", 32768)]
        ],
    )
)
