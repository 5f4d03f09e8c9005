"""Random nodes of the ops on mantissas; exponents are those that the ops before them choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, build, float32, leaf, typed
from trainlet.ops.quantized.gradient.block import EXPONENT, LIMIT
from trainlet.ops.quantized.types import int8, weight

Given = tuple[Node, list[np.ndarray]]
Random = np.random.Generator
Window = dict[str, Any]


def node(op: str, *types: TensorType, **attrs: Any) -> Node:
    return build(op, *(leaf("input", f"x{k}", t) for k, t in enumerate(types)), **attrs)


def some_mantissas(rng: Random, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Many zeros, as behind a mask, the extremes often, all bits or a few."""
    top = LIMIT[dtype] if rng.random() < 0.7 else int(rng.integers(1, LIMIT[dtype]))
    g = rng.integers(-top, top + 1, shape)
    g = np.where(rng.random(shape) < 0.2, rng.choice([-top, top], shape), g)
    return np.where(rng.random(shape) < rng.choice([0, 0.5, 1], p=[0.5, 0.4, 0.1]), 0, g).astype(
        dtype
    )


def some_weights(rng: Random, shape: tuple[int, ...]) -> np.ndarray:
    if rng.random() < 0.3:
        return rng.choice([-127, 127], shape).astype(np.int8)
    return rng.integers(-127, 128, shape).astype(np.int8)


def scales(rng: Random, channels: int) -> np.ndarray:
    """Q15 factors, one of them at least a half, then their common exponent."""
    r = rng.integers(0, 32768, channels) >> rng.integers(0, 8, channels)
    r[rng.integers(0, channels)] = rng.integers(16384, 32768)
    return np.array([*r, rng.integers(-9, 3)], np.int16)


def dtype_of(rng: Random) -> str:
    return "int16" if rng.random() < 0.7 else "int8"


def exponent(rng: Random) -> np.ndarray:
    return np.asarray(rng.integers(-30, 0), np.int32)


def layer(rng: Random, op: str, g_shape: tuple[int, ...], w: TensorType, view: tuple[int, ...],
          window: Window, **attrs: Any) -> Given:  # fmt: skip
    """A layer's op on its gradient, with the exponents of the ops before it."""
    dtype, e = dtype_of(rng), exponent(rng)
    g, weights = some_mantissas(rng, g_shape, dtype), some_weights(rng, w.shape)
    r = scales(rng, g_shape[-1])
    gain = OPS["weight_gain"].eval(weights, view=view, **({"groups": 1} | window))
    out = bound = OPS["exponent_layer"].eval(g, r, gain, e)
    arrays = [g, weights, r, e, gain, bound]
    if op.endswith("dx"):
        if dtype == "int8":
            out = OPS[op.replace("dx", "exponent")].eval(*arrays, **attrs)
        arrays.append(out)
    kinds = typed(dtype, *g_shape), w, typed("int16", r.size)  # type: ignore[arg-type]
    return node(op, *kinds, *[EXPONENT] * (len(arrays) - 3), **attrs), arrays


def geometry(rng: Random) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], Window]:
    """Kernel, size of the map and of its result, stride, padding, dilation."""
    side = rng.choice([1, 2, 3, 3, 5, 7], 2) if rng.random() < 0.3 else [rng.choice([3, 5, 7])] * 2
    kernel = (int(side[0]), int(side[1]))
    stride = tuple(rng.choice([1, 1, 2, 3], 2).tolist())
    stride = stride if rng.random() < 0.3 else (stride[0],) * 2
    dilation = (1, 1) if rng.random() < 0.8 else tuple(rng.integers(1, 3, 2).tolist())
    padding = tuple(rng.integers(0, min(kernel), 4).tolist())
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = (reach[0] + int(rng.integers(0, 6)), reach[1] + int(rng.integers(0, 9)))
    result = tuple(
        (size[k] + padding[k] + padding[k + 2] - reach[k]) // stride[k] + 1 for k in range(2)
    )
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    return kernel, size, result, window  # type: ignore[return-value]


POINT = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1)}


def without_padding(window: Window) -> Window:
    return {key: window[key] for key in ("stride", "dilation")}


def count(rng: Random) -> int:
    return int(rng.choice([1, 2, 3, 4, 5, 7, 8, 12, 49, 65, 130, 200]))


def conv2d_dx(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        kernel, size, result, window, groups = (1, 1), (3, int(rng.integers(1, 7))), (), POINT, 1
        outputs, channels = count(rng), count(rng)
        if rng.random() < 0.3:
            kernel, size, result, window = geometry(rng)
            groups = int(rng.integers(1, 3))
            outputs, channels = groups * int(rng.integers(1, 7)), groups * int(rng.integers(1, 20))
        g_shape = (int(rng.integers(1, 3)), *(result or size), outputs)
        w = weight(outputs, *kernel, channels // groups)
        return layer(rng, op, g_shape, w, w.shape, without_padding(window) | {"groups": groups},
                     size=size, groups=groups, **window)  # fmt: skip

    return draw


def linear_dx(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        rows, outputs, inputs = int(rng.integers(1, 5)), count(rng), count(rng)
        view, window = (outputs, 1, 1, inputs), without_padding(POINT)
        return layer(rng, op, (rows, outputs), weight(outputs, inputs), view, window)

    return draw


def depthwise_dx(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        kernel, size, result, window = geometry(rng)
        channels = int(rng.integers(1, 14))
        w = weight(*kernel, channels, axis=2)
        g_shape = (int(rng.integers(1, 3)), *result, channels)
        return layer(rng, op, g_shape, w, (1, *w.shape), without_padding(window), size=size,
                     **window)  # fmt: skip

    return draw


RANDOM: dict[str, Callable[[Random], Given]] = {
    "conv2d_bfp_dx": conv2d_dx("conv2d_bfp_dx"),
    "conv2d_bfp_exponent": conv2d_dx("conv2d_bfp_exponent"),
    "depthwise_bfp_dx": depthwise_dx("depthwise_bfp_dx"),
    "depthwise_bfp_exponent": depthwise_dx("depthwise_bfp_exponent"),
    "linear_bfp_dx": linear_dx("linear_bfp_dx"),
    "linear_bfp_exponent": linear_dx("linear_bfp_exponent"),
}
