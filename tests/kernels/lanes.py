"""Shapes around the sizes of vectors, and of what the Helium kernels keep in registers or on the
stack; rates whose moves are denormal or infinite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kernels.direct import RANDOM as DIRECT
from kernels.gradients import POINT, without_padding
from kernels.gradients import layer as gradient_layer
from kernels.shadows import Given, Random, layered, node
from trainlet.ir.types import TensorType
from trainlet.ops.op import typed
from trainlet.ops.quantized.types import int8, weight

RATES = ((0.0, 0), (1e-42, 118), (3e-39, 110), (1e-36, -120), (1e-30, -5), (2e38, 0), (np.inf, 0))
"""And exponents: products of both, or one of them, are denormal, or all overflow."""


def square(kernel: int, pad: int, stride: int) -> dict[str, tuple[int, ...]]:
    return {"stride": (stride,) * 2, "padding": (pad,) * 4, "dilation": (1, 1)}


def conv2d_i8(rng: Random, op: str) -> Iterator[Given]:
    for channels in (3, 8, 16, 17, 24, 32, 33, 40, 47, 48, 49, 96):
        for pixels, outputs in ((1, 4), (3, 3), (4, 7), (9, 8), (66, 9)):
            x = int8(1, 1, pixels, channels, zero_point=-7)
            yield layered(rng, op, x, weight(outputs, 1, 1, channels), outputs, groups=1, **POINT)
    for kernel, channels, side in (
        (3, 3, 40),
        (3, 5, 21),
        (5, 3, 9),
        (2, 8, 6),
        (3, 33, 5),
        (3, 64, 5),
        (5, 100, 5),
    ):
        x, w = int8(1, side, side, channels, zero_point=9), weight(10, kernel, kernel, channels)
        yield layered(rng, op, x, w, 10, groups=1, **square(kernel, kernel // 2, 2))


def depthwise_i8(rng: Random, op: str) -> Iterator[Given]:
    for side, channels in ((4, 40), (8, 17), (9, 9), (16, 8), (33, 3), (40, 5)):
        for kernel, pad, stride in ((3, 1, 1), (5, 2, 2), (7, 3, 1), (7, 3, 2)):
            x = int8(1, side, side, channels, zero_point=5)
            w = weight(kernel, kernel, channels, axis=2)
            yield layered(rng, op, x, w, channels, **square(kernel, pad, stride))
    for height, width, channels in ((8, 8, 16), (3, 9, 17), (5, 7, 40), (3, 70, 16), (12, 5, 31)):
        for down, across, pad in ((1, 1, 1), (2, 2, 1), (2, 1, 0), (1, 2, 4), (3, 1, 0)):
            x = int8(2, height, width, channels, zero_point=int(rng.integers(-128, 128)))
            where = {"stride": (down, across), "padding": (pad,) * 4, "dilation": (1, 1)}
            yield before_relu(rng, op, x, weight(3, 3, channels, axis=2), channels, **where)


def before_relu(
    rng: Random, op: str, x: TensorType, w: TensorType, channels: int, **attrs: Any
) -> Given:
    """A layer that clamps at its zero point and shifts to the right."""
    drawn, (image, weights, bias, q) = layered(rng, op, x, w, channels, **attrs)
    clamp = {"scale": 0.5, "zero_point": -128, "low": -128, "high": 127}
    shifts = rng.choice([-30, -29, -25, -24, -23, -9, -8, -7, -1, 0], channels)
    multipliers = np.where(q[0] > 0, q[0], 2**30)
    made = node(op, *(each.type for each in drawn.inputs), **{**drawn.attrs, **clamp})
    return made, [image, weights, bias, np.array([multipliers, shifts], np.int32)]


def conv2d_bfp(rng: Random, op: str) -> Iterator[Given]:
    for outputs in (8, 16, 24, 48, 656, 1281):
        for channels, pixels in ((1, 2), (3, 1), (4, 3), (7, 2), (9, 5)):
            w, window = weight(outputs, 1, 1, channels), without_padding(POINT) | {"groups": 1}
            yield gradient_layer(rng, op, (1, 1, pixels, outputs), w, w.shape, window,
                                 size=(1, pixels), groups=1, **POINT)  # fmt: skip


def depthwise_bfp(rng: Random, op: str) -> Iterator[Given]:
    for side, channels in ((4, 16), (8, 9), (15, 8), (40, 11)):
        for kernel, pad, stride in ((3, 1, 1), (5, 2, 1), (3, 0, 3), (7, 3, 2)):
            result = (side + 2 * pad - kernel) // stride + 1
            window, w = square(kernel, pad, stride), weight(kernel, kernel, channels, axis=2)
            yield gradient_layer(rng, op, (1, result, result, channels), w, (1, *w.shape),
                                 without_padding(window), size=(side, side), **window)  # fmt: skip


def applied(rng: Random, op: str) -> Iterator[Given]:
    for rate, exponent in RATES:
        for _ in range(16):
            made, arrays = DIRECT[op](rng)
            arrays[-2], arrays[-4] = np.asarray(rate, np.float32), np.asarray(exponent, np.int32)
            yield made, arrays


def add_delta(rng: Random, op: str) -> Iterator[Given]:
    for size in (1, 3, 4, 7, 40):
        base = rng.choice([-(2**31), -(2**31) + 9, 0, 12345, 2**31 - 9, 2**31 - 1], size)
        delta = rng.choice([-32767, -1, 0, 5, 32767], size)
        made = node(op, typed("int32", size), typed("int16", size))
        yield made, [base.astype(np.int32), delta.astype(np.int16)]


LANES: dict[str, Callable[[Random, str], Iterator[Given]]] = {
    "add_delta": add_delta,
    "conv2d_i8": conv2d_i8,
    "depthwise_i8": depthwise_i8,
    "conv2d_bfp_dx": conv2d_bfp,
    "conv2d_bfp_exponent": conv2d_bfp,
    "conv2d_bfp_sgd": applied,
    "depthwise_bfp_dx": depthwise_bfp,
    "depthwise_bfp_exponent": depthwise_bfp,
    "sum_bfp_sgd": applied,
}


def lanes(op: str) -> Iterator[Given]:
    """More nodes of the op; the same every time."""
    if op in LANES:
        yield from LANES[op](np.random.default_rng(11), op)
