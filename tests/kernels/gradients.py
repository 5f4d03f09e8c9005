"""Random nodes of the ops on mantissas; exponents are those that the ops before them choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, build, leaf, typed
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
    return np.append(r, rng.integers(-9, 3)).astype(np.int16)


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


def zero_point(rng: Random) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def some_inputs(rng: Random, shape: tuple[int, ...], zero: int) -> np.ndarray:
    """Any bytes, or the farthest from the zero point."""
    if rng.random() < 0.3:
        return np.full(shape, -128 if zero > 0 else 127, np.int8)
    return rng.integers(-128, 128, shape).astype(np.int8)


def weights_gradient(
    rng: Random, op: str, g_shape: tuple[int, ...], x_shape: tuple[int, ...], **attrs: Any
) -> Given:
    dtype, zero = dtype_of(rng), zero_point(rng)
    kinds = typed(dtype, *g_shape), int8(*x_shape, scale=0.5, zero_point=zero), EXPONENT  # type: ignore[arg-type]
    arrays = [some_mantissas(rng, g_shape, dtype), some_inputs(rng, x_shape, zero), exponent(rng)]
    return node(op, *kinds, scale=0.5, zero=zero, **attrs), arrays


def conv2d_dw(rng: Random) -> Given:
    many, size = int(rng.integers(1, 3)), (int(rng.integers(1, 20)), int(rng.integers(1, 20)))
    if rng.random() < 0.7:
        maps = [(many, *size, int(rng.choice([1, 2, 3, 5, 8, 17, 33]))) for _ in range(2)]
        return weights_gradient(rng, "conv2d_bfp_dw", *maps, kernel=(1, 1), groups=1, **POINT)
    kernel, size, result, window = geometry(rng)
    groups, channels = int(rng.integers(1, 3)), rng.integers(1, 9, 2).tolist()
    g_shape = (many, *result, groups * channels[0])
    return weights_gradient(rng, "conv2d_bfp_dw", g_shape, (many, *size, groups * channels[1]),
                            kernel=kernel, groups=groups, **window)  # fmt: skip


def linear_dw(rng: Random) -> Given:
    rows = int(rng.integers(1, 6))
    return weights_gradient(rng, "linear_bfp_dw", (rows, count(rng)), (rows, count(rng)))


def block_and_exponent(rng: Random, rows: int = 9) -> tuple[TensorType, np.ndarray]:
    shape = (int(rng.integers(1, rows)), int(rng.integers(1, 30)))
    dtype = dtype_of(rng)
    return typed(dtype, *shape), some_mantissas(rng, shape, dtype)  # type: ignore[arg-type]


def mask(rng: Random) -> Given:
    kind, g = block_and_exponent(rng)
    bits = rng.integers(0, 256, (kind.size + 7) // 8).astype(np.uint8)
    return node("mask_bfp", kind, typed("uint8", bits.size), EXPONENT), [g, bits, exponent(rng)]


def sum_(rng: Random) -> Given:
    """Of some, columns of hundreds of rows whose mantissas are all as large as can be."""
    kind, g = block_and_exponent(rng, 700)
    if rng.random() < 0.3:
        g = np.full(g.shape, rng.choice([-1, 1]) * LIMIT[kind.dtype], kind.dtype)
    return node("sum_bfp", kind, EXPONENT), [g, exponent(rng)]


def exponent_layer(rng: Random) -> Given:
    kind, g = block_and_exponent(rng)
    r = scales(rng, kind.shape[-1])
    gain = np.asarray(rng.integers(1, 1 << int(rng.integers(1, 24))), np.int32)
    kinds = kind, typed("int16", r.size), EXPONENT, EXPONENT
    return node("exponent_layer", *kinds), [g, r, gain, exponent(rng)]


def exponent_add(rng: Random) -> Given:
    kind, a = block_and_exponent(rng)
    b = some_mantissas(rng, kind.shape, kind.dtype)
    return node("exponent_add", kind, kind, EXPONENT, EXPONENT), [
        a, b, exponent(rng), exponent(rng)
    ]  # fmt: skip


def exponent_scan(rng: Random) -> Given:
    kind, g = block_and_exponent(rng)
    attrs = {"gain": int(rng.integers(1, 1 << 20)), "shift": -15, "slack": int(rng.integers(1, 9))}
    made = node("exponent_scan", kind, EXPONENT, **attrs, limit=LIMIT[kind.dtype])
    return made, [g, exponent(rng)]


def weight_gain(rng: Random) -> Given:
    outputs, channels = int(rng.choice([1, 3, 8, 40, 700])), int(rng.integers(1, 14))
    kernel, _, _, window = geometry(rng) if rng.random() < 0.4 else ((1, 1), (), (), POINT)
    groups = 2 if outputs % 2 == 0 and rng.random() < 0.3 else 1
    w = weight(outputs, *kernel, channels)
    made = node("weight_gain", w, view=w.shape, groups=groups, **without_padding(window))
    return made, [some_weights(rng, w.shape)]


def concat(rng: Random) -> Given:
    """Joined along the last axis, as the parts of a map are."""
    dtype, shape = dtype_of(rng), rng.integers(1, 9, 3)
    shapes = [(*shape.tolist(), int(rng.integers(1, 20))) for _ in range(2)]
    kinds = [typed(dtype, *s) for s in shapes]  # type: ignore[arg-type]
    made = node("concat_bfp", *kinds, EXPONENT, axis=3)
    return made, [*(some_mantissas(rng, s, dtype) for s in shapes), exponent(rng)]


RANDOM: dict[str, Callable[[Random], Given]] = {
    "concat_bfp": concat,
    "conv2d_bfp_dx": conv2d_dx("conv2d_bfp_dx"),
    "conv2d_bfp_exponent": conv2d_dx("conv2d_bfp_exponent"),
    "conv2d_bfp_dw": conv2d_dw,
    "depthwise_bfp_dx": depthwise_dx("depthwise_bfp_dx"),
    "depthwise_bfp_exponent": depthwise_dx("depthwise_bfp_exponent"),
    "exponent_add": exponent_add,
    "exponent_layer": exponent_layer,
    "exponent_scan": exponent_scan,
    "linear_bfp_dw": linear_dw,
    "linear_bfp_dx": linear_dx("linear_bfp_dx"),
    "linear_bfp_exponent": linear_dx("linear_bfp_exponent"),
    "mask_bfp": mask,
    "sum_bfp": sum_,
    "weight_gain": weight_gain,
}
