"""Random nodes of the float32 ops that a kernel shadows; most sum products.

Their oracle is the reference kernel on this machine, bit for bit: the bits of a sum depend on its
order, and `eval` adds in another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kernels.elements import RANDOM as ELEMENTS
from kernels.elements import counts, values
from kernels.gradients import POINT, Given, Random, geometry, node, some_inputs, zero_point
from trainlet.ops.op import float32, leaf
from trainlet.ops.quantized.types import int8, weight
from trainlet.ops.squares import can_square, squares
from trainlet.ops.window import Geometry


def bits(array: np.ndarray) -> np.ndarray:
    """What an array is in memory; in which zeros of either sign differ, and NaN is itself."""
    return np.frombuffer(array.tobytes(), np.uint8)


def linear(rng: Random) -> Given:
    rows, outputs, inputs = counts(rng, 9, 13, 13)
    kinds = [float32(rows, inputs), float32(outputs, inputs), float32(outputs)]
    kinds = kinds[: int(rng.integers(2, 4))]
    return node("linear", *kinds), [values(rng, k.shape) for k in kinds]


def linear_dx(rng: Random) -> Given:
    rows, outputs, inputs = counts(rng, 9, 13, 21)
    kinds = float32(rows, outputs), float32(outputs, inputs)
    return node("linear_dx", *kinds), [values(rng, k.shape) for k in kinds]


def linear_dw(rng: Random) -> Given:
    rows, outputs, inputs = counts(rng, 9, 13, 13)
    kinds = float32(rows, outputs), float32(rows, inputs)
    return node("linear_dw", *kinds), [values(rng, k.shape) for k in kinds]


def matmul(rng: Random) -> Given:
    m, k, n = counts(rng, 9, 9, 13)
    ta, tb = (bool(flag) for flag in rng.integers(0, 2, 2))
    batch = int(rng.integers(1, 3))
    kinds = float32(batch, *((k, m) if ta else (m, k))), float32(batch, *((n, k) if tb else (k, n)))
    return node("matmul", *kinds, ta=ta, tb=tb), [values(rng, k.shape) for k in kinds]


def with_weights(rng: Random, op: str, shape: tuple[int, ...], axis: int, **attrs: Any) -> Given:
    """The input gradient of an int8 layer: of g [.., O], for weights of the given shape."""
    g = attrs.pop("g")
    kinds = float32(*g), weight(*shape, axis=axis), float32(shape[axis])
    w = rng.integers(-127, 128, shape).astype(np.int8)
    s = rng.uniform(1e-3, 1, shape[axis]).astype(np.float32)
    return node(op, *kinds, **attrs), [values(rng, g), w, s]


def with_inputs(
    rng: Random, op: str, g: tuple[int, ...], x: tuple[int, ...], **attrs: Any
) -> Given:
    """The weight gradient of an int8 layer."""
    zero = zero_point(rng)
    kinds = float32(*g), int8(*x, scale=0.37, zero_point=zero)
    scale = kinds[1].quant.scale[0]  # pyright: ignore[reportOptionalMemberAccess]
    made = node(op, *kinds, scale=scale, zero=zero, **attrs)
    return made, [values(rng, g), some_inputs(rng, x, zero)]


def linear_i8_dx(rng: Random) -> Given:
    rows, outputs, inputs = counts(rng, 9, 13, 13)
    return with_weights(rng, "linear_i8_dx", (outputs, inputs), 0, g=(rows, outputs))


def linear_i8_dw(rng: Random) -> Given:
    rows, outputs, inputs = counts(rng, 9, 13, 13)
    return with_inputs(rng, "linear_i8_dw", (rows, outputs), (rows, inputs))


def convolution(op: str) -> Callable[[Random], Given]:
    """Half of them 1x1."""

    def draw(rng: Random) -> Given:
        kernel, size, window = (1, 1), tuple(rng.integers(1, 8, 2).tolist()), POINT
        groups, most = 1, (13, 13)
        if rng.random() < 0.6:
            kernel, size, _, window = geometry(rng)
            groups, most = int(rng.choice([1, 1, 2])), (9, 7)
        outputs, channels = counts(rng, *most)
        many = int(rng.integers(1, 3))
        x = (many, *size, channels * groups)
        shape = Geometry(kernel, **window).out(size)
        y, w = (many, *shape, outputs * groups), (outputs * groups, *kernel, channels)
        attrs = {**window, "groups": groups}
        return of_layer(rng, op, x, w, y, kernel, size, attrs, 0)

    return draw


def depthwise(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        kernel, size, _, window = geometry(rng)
        (channels,), many = counts(rng, 21), int(rng.integers(1, 3))
        shape = Geometry(kernel, **window).out(size)
        x, y, w = (many, *size, channels), (many, *shape, channels), (*kernel, channels)
        return of_layer(rng, op, x, w, y, kernel, size, window, 2)

    return draw


def of_layer(
    rng: Random,
    op: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    y: tuple[int, ...],
    kernel: tuple[int, int],
    size: tuple[int, ...],
    attrs: dict[str, Any],
    axis: int,
) -> Given:
    """One of the three ops of a layer from x to y, or of its int8 form."""
    if op.endswith("_i8_dx"):
        return with_weights(rng, op, w, axis, g=y, size=size, **attrs)
    if op.endswith("_i8_dw"):
        return with_inputs(rng, op, y, x, kernel=kernel, **attrs)
    if op.endswith("_dx"):
        shapes, attrs = [y, w], attrs | {"size": size}
    elif op.endswith("_dw"):
        shapes, attrs = [y, x], attrs | {"kernel": kernel}
    else:
        shapes = [x, w, (y[-1],)][: int(rng.integers(2, 4))]
    made = node(op, *(float32(*shape) for shape in shapes), **attrs)
    return made, [values(rng, shape) for shape in shapes]


def rounded_twice() -> Iterator[Given]:
    """1 - 1, where a fused multiply-add, which rounds once, leaves 2^-24."""
    x, w = np.full((5, 1), 1 + 2**-12, np.float32), np.full((4, 1), 1 + 2**-12, np.float32)
    b = np.full(4, -(1 + 2**-11), np.float32)
    yield node("linear", float32(5, 1), float32(4, 1), float32(4)), [x, w, b]


def large_windows() -> Iterator[Given]:
    """Of more taps than fit the stack for four channels."""
    rng = np.random.default_rng(9)
    x, w, attrs = (1, 11, 11, 17), (11, 10, 17), {**POINT, "padding": (1, 2, 1, 2)}
    yield of_layer(rng, "depthwise_i8_dx", x, w, (1, 3, 6, 17), (11, 10), (11, 11), attrs, 2)


def wide_maps() -> Iterator[Given]:
    """Of more columns than fit the stack for four channels."""
    rng = np.random.default_rng(9)
    x, w, attrs = (1, 3, 110, 17), (3, 3, 17), {**POINT, "padding": (1, 1, 1, 1)}
    yield of_layer(rng, "depthwise_i8_dw", x, w, x, (3, 3), (3, 110), attrs, 2)


def squared(rng: Random) -> Given:
    """The sums of squares before, and a gradient without groups."""
    draws = (linear_dw, convolution("conv2d_dw"), depthwise("depthwise_dw"))
    while True:
        gradient, arrays = draws[int(rng.integers(0, 3))](rng)
        if can_square(gradient):
            total = float32(gradient.type.shape[-1])
            made = squares(leaf("state", "total", total), gradient)
            return made, [values(rng, total.shape), *arrays]


SPECIAL = {"linear": rounded_twice, "depthwise_i8_dx": large_windows, "depthwise_i8_dw": wide_maps}
LAYER = ("", "_dx", "_dw", "_i8_dx", "_i8_dw")
RANDOM: dict[str, Callable[[Random], Given]] = {
    **ELEMENTS,
    "sum_squares": squared,
    "linear": linear,
    "linear_dx": linear_dx,
    "linear_dw": linear_dw,
    "linear_i8_dx": linear_i8_dx,
    "linear_i8_dw": linear_i8_dw,
    "matmul": matmul,
    **{f"conv2d{end}": convolution(f"conv2d{end}") for end in LAYER},
    **{f"depthwise{end}": depthwise(f"depthwise{end}") for end in LAYER},
}
