"""What the types of quantised tensors must be, and the gradient of a result's clamp."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from trainlet.errors import ShapeError
from trainlet.ir.graph import Node
from trainlet.ir.types import Quant, TensorType
from trainlet.ops.activation import pack
from trainlet.ops.op import Op, Sample, build, register, require, typed
from trainlet.ops.quantized.fixed_point import Affine, f32
from trainlet.ops.row_access import own_rows

LOWEST, HIGHEST = -128, 127


def int8(*shape: int, scale: float = 0.05, zero_point: int = 0) -> TensorType:
    """The type of a quantised activation."""
    return TensorType(tuple(shape), "int8", Quant((f32(scale),), (zero_point,)))


def weight(*shape: int, axis: int = 0, scale: float = 0.02) -> TensorType:
    """The type of a weight with a scale for each of its output channels; the scales differ
    slightly."""
    scales = tuple(f32(scale * (1 + 0.1 * k)) for k in range(shape[axis]))
    return TensorType(tuple(shape), "int8", Quant(scales, (0,) * shape[axis], axis))


def affine(x: Node | TensorType) -> Affine:
    """Scale and zero point of an activation; raises ShapeError if it has none."""
    t = x.type if isinstance(x, Node) else x
    if t.dtype != "int8" or t.quant is None or t.quant.axis is not None:
        raise ShapeError(f"{t} must be int8 with one scale for the whole tensor")
    return t.quant.scale[0], t.quant.zero_point[0]


def check_source(x: TensorType, source: Affine) -> None:
    """Raise ShapeError unless the attribute says what the input's type says."""
    require(affine(x) == tuple(source), f"{x} has scale and zero point {affine(x)}, not {source}")


def result(
    x: TensorType, shape: tuple[int, ...], scale: float, zero_point: int, low: int, high: int
) -> TensorType:
    """The type of a quantised result; raises ShapeError for a clamp outside int8."""
    require(
        scale > 0 and LOWEST <= low <= high <= HIGHEST and LOWEST <= zero_point <= HIGHEST,
        f"scale {scale}, zero point {zero_point}, clamp {low}..{high}: not int8",
    )
    return TensorType(tuple(shape), "int8", Quant((f32(scale),), (zero_point,)))


def check_weights(w: TensorType, b: TensorType, q: TensorType, channels: int, taps: int) -> None:
    """Raise ShapeError unless bias and requantization fit, and 32 bits hold every sum."""
    require(w.dtype == "int8", f"weight {w} must be int8")
    require(b == TensorType((channels,), "int32", b.quant), f"bias {b} must be int32[{channels}]")
    require(
        q == TensorType((2, channels), "int32", q.quant),
        f"requantization {q} must be int32[2,{channels}]: multipliers above shifts",
    )
    require(taps < 1 << 16, f"a sum of {taps} products of bytes may leave 32 bits")


def masked(n: Node, g: Node, low: int | None = None, high: int | None = None) -> Callable[[], Node]:
    """The gradient of n before its clamp, built once, by whoever needs it first; the bounds are the
    node's own, if none are given."""

    first = n.attrs["low"] if low is None else low
    last = n.attrs["high"] if high is None else high

    @cache
    def inside() -> Node:
        mask = build("clamp_mask_i8", n, low=first, high=last, label=n.name)
        return build("mask_dx", g, mask, slope=1.0, label=n.name)

    return inside


register(
    Op(
        "clamp_mask_i8",
        rows=own_rows,
        infer=lambda y, low, high: typed("uint8", (y.size + 7) // 8),
        eval=lambda y, low, high: pack((y > low) & (y < high)),
        call=lambda n: (n.inputs[0].type.size, n.attrs["low"], n.attrs["high"]),
        samples=[
            Sample(
                (int8(3, 5),),
                {"low": -3, "high": 4},
                {0: lambda rng: rng.integers(-5, 6, (3, 5)).astype(np.int8)},
            ),
            Sample(
                (int8(40),),
                {"low": -128, "high": 127},
                {0: lambda rng: rng.choice([-128, -127, 0, 126, 127], 40).astype(np.int8)},
            ),
        ],
    )
)
