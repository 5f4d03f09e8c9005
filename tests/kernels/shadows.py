"""Which kernels shadow a reference kernel, and the nodes on which both are run.

Beside the ops' own samples: random shapes and the extremes of every number, none of which a
network need ever show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalogue.cases import CASES
from catalogue.kernels import written
from kernels.direct import RANDOM as DIRECT
from kernels.floats import RANDOM as FLOATS
from kernels.floats import SPECIAL
from kernels.gradients import RANDOM as GRADIENTS
from trainlet.backends import kernels
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import build, float32, leaf, typed
from trainlet.ops.quantized.lookup import ENTRIES
from trainlet.ops.quantized.types import affine, int8, weight
from trainlet.planning.target import PRESETS

REFERENCE = "reference"
FOLDERS = sorted({name for target in PRESETS.values() for name in target.kernels} - {REFERENCE})
ROUNDS = 40
"""Random nodes of each op with a rule below."""

Given = tuple[Node, list[np.ndarray]]
Random = np.random.Generator


def folder(name: str) -> Path:
    return kernels.KERNELS / name


def sources(path: Sequence[str]) -> list[Path]:
    """The kernels that a search path gives, one for each op."""
    names = sorted(file.name for file in folder(REFERENCE).glob("*.c"))
    return [kernels.find(name, tuple(path)) for name in names]


def shadowing(path: Sequence[str]) -> list[Path]:
    return [file for file in sources(path) if file.parent != folder(REFERENCE)]


def made(work: Path) -> list[Path]:
    """The kernels of chains, written into a folder."""
    return written(work, (n for n, _ in given("fused")))


def node(op: str, *types: TensorType, **attrs: Any) -> Node:
    return build(op, *(leaf("input", f"x{k}", t) for k, t in enumerate(types)), **attrs)


def some_bytes(rng: Random, shape: Sequence[int]) -> np.ndarray:
    """Any bytes, or nothing but extremes."""
    if rng.random() < 0.3:
        return rng.choice([-128, 127], shape).astype(np.int8)
    return rng.integers(-128, 128, shape).astype(np.int8)


def layer(rng: Random, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Biases as training may leave them, and every rescaling that there is."""
    ends = [-(2**31), 2**31 - 1, 2**29, 2**29 + 1, -(2**29), -(2**29) - 1, 2**30, 0]
    b = rng.integers(-20000, 20000, channels)
    b = np.where(rng.random(channels) < 0.2, rng.choice(ends, channels), b)
    shift = rng.integers(-12, 0, channels)
    shift = np.where(rng.random(channels) < 0.2, rng.integers(-31, 3, channels), shift)
    multiplier = rng.integers(2**30, 2**31, channels)
    none = rng.random(channels) < 0.05
    q = np.array([np.where(none, 0, multiplier), np.where(none, 0, shift)])
    return b.astype(np.int32), q.astype(np.int32)


def clamp(rng: Random) -> dict[str, Any]:
    """All of int8, or part of it."""
    low, high = (-128, 127) if rng.random() < 0.7 else sorted(rng.integers(-128, 128, 2).tolist())
    return {"scale": 0.5, "zero_point": int(rng.integers(-128, 128)), "low": low, "high": high}


def geometry(rng: Random, kernel: tuple[int, int]) -> dict[str, Any]:
    stride = (1, 1) if rng.random() < 0.4 else tuple(rng.integers(1, 4, 2).tolist())
    dilation = (1, 1) if rng.random() < 0.8 else tuple(rng.integers(1, 3, 2).tolist())
    largest = min(kernel)
    padding = tuple(rng.integers(0, largest + 4, 4).tolist()) if rng.random() < 0.7 else (0,) * 4
    return {"stride": stride, "padding": padding, "dilation": dilation}


def window(rng: Random) -> tuple[tuple[int, int], dict[str, Any], tuple[int, int]]:
    """Kernel, geometry and the size of a map that is large enough."""
    side = (
        rng.choice([1, 1, 2, 3, 3, 5, 7], 2) if rng.random() < 0.3 else [rng.choice([1, 3, 5])] * 2
    )
    kernel = (int(side[0]), int(side[1]))
    where = geometry(rng, kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, where["dilation"], strict=True)]
    size = (reach[0] + int(rng.integers(0, 6)), reach[1] + int(rng.integers(0, 12)))
    return kernel, where, size


def convolution(rng: Random) -> Given:
    kernel, where, size = window(rng)
    groups = 1 if rng.random() < 0.9 else 2
    share = int(rng.choice([1, 2, 3, 4, 5, 8, 11, 16, 24, 37, 64, 100, 130, 200]))
    if kernel != (1, 1):
        share = min(share, 24)
    elif rng.random() < 0.1:
        share = int(rng.choice([600, 700]))
    outputs = int(rng.integers(1, 10)) * groups
    x_kind = int8(int(rng.integers(1, 3)), *size, share * groups, zero_point=zero(rng))
    return layered(rng, "conv2d_i8", x_kind, weight(outputs, *kernel, share), outputs,
                   groups=groups, **where)  # fmt: skip


def depthwise(rng: Random) -> Given:
    kernel, where, size = window(rng)
    channels = int(rng.integers(1, 14))
    x_kind = int8(int(rng.integers(1, 3)), *size, channels, zero_point=zero(rng))
    return layered(rng, "depthwise_i8", x_kind, weight(*kernel, channels, axis=2), channels,
                   **where)  # fmt: skip


def wide_depthwise(rng: Random) -> Iterator[Given]:
    """Rows about as wide as a kernel can hold at once, and wider."""
    for width in (*range(82, 98), 150, 200):
        for stride in (1, 2, 4):
            where = {"stride": (1, stride), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
            x, w = int8(1, 3, width, 4, zero_point=zero(rng)), weight(3, 3, 4, axis=2)
            yield layered(rng, "depthwise_i8", x, w, 4, **where)


def linear(rng: Random) -> Given:
    rows, outputs = (int(rng.integers(1, top)) for top in (24, 8))
    inputs = int(rng.integers(1, 40) if rng.random() < 0.8 else rng.integers(120, 230))
    x = int8(rows, inputs, zero_point=zero(rng))
    return layered(rng, "linear_i8", x, weight(outputs, inputs), outputs)


def linear_real(rng: Random) -> Given:
    rows, inputs, outputs = (int(rng.integers(1, top)) for top in (4, 40, 11))
    x, w = int8(rows, inputs, zero_point=zero(rng)), weight(outputs, inputs)
    source = affine(x)
    made = node("linear_i8_f32", x, w, typed("int32", outputs), float32(outputs), source=source)
    bias = rng.integers(-10000, 10000, outputs).astype(np.int32)
    scales = rng.uniform(0.001, 0.1, outputs).astype(np.float32)
    return made, [some_bytes(rng, x.shape), some_bytes(rng, w.shape), bias, scales]


def pair(rng: Random, op: str) -> Given:
    """A second input and weight beside those of a layer."""
    rows, inputs, beside, outputs = (int(rng.integers(1, top)) for top in (10, 40, 12, 8))
    maps, point = ((1, rows, 2), (1, 1)) if op == "conv2d_pair_i8" else ((rows,), ())
    w = weight(outputs, *point, inputs)
    x, h = (int8(*maps, n, zero_point=zero(rng)) for n in (inputs, beside))
    assert h.quant is not None and w.quant is not None
    v = TensorType((outputs, *point, beside), "int8", w.quant)
    where = (h.quant.scale[0], h.quant.zero_point[0])
    one, arrays = layered(rng, op, x, w, outputs, more=(h, v), beside=where)
    return one, [*arrays, some_bytes(rng, h.shape), some_bytes(rng, v.shape)]


def zero(rng: Random) -> int:
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def layered(
    rng: Random, op: str, x: TensorType, w: TensorType, channels: int,
    more: Sequence[TensorType] = (), **attrs: Any,
) -> Given:  # fmt: skip
    assert x.quant is not None
    source = (x.quant.scale[0], x.quant.zero_point[0])
    kinds = (x, w, typed("int32", channels), typed("int32", 2, channels), *more)
    b, q = layer(rng, channels)
    made = node(op, *kinds, source=source, **clamp(rng), **attrs)
    return made, [some_bytes(rng, x.shape), some_bytes(rng, w.shape), b, q]


def two_operands(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        shape = tuple(rng.integers(1, 8, int(rng.integers(1, 4))).tolist())
        other = tuple(1 if rng.random() < 0.3 else k for k in shape)
        scales = rng.uniform(0.01, 0.2, 2)
        kinds = [
            int8(*s, scale=float(scale), zero_point=zero(rng))
            for s, scale in zip((shape, other), scales, strict=True)
        ]
        sources = tuple((k.quant.scale[0], k.quant.zero_point[0]) for k in kinds if k.quant)
        attrs = clamp(rng) | {"scale": float(rng.choice([0.001, 0.05, 0.3, 5.0]))}
        arrays = [some_bytes(rng, k.shape) for k in kinds]
        return node(op, *kinds, sources=sources, **attrs), arrays

    return draw


def requantize(rng: Random) -> Given:
    kind = int8(int(rng.integers(1, 40)), scale=0.05, zero_point=zero(rng))
    attrs = clamp(rng) | {"scale": float(rng.choice([0.0001, 0.04, 0.05, 7.0]))}
    assert kind.quant is not None
    source = (kind.quant.scale[0], kind.quant.zero_point[0])
    return node("requantize_i8", kind, source=source, **attrs), [some_bytes(rng, kind.shape)]


def clamp_mask(rng: Random) -> Given:
    kind = int8(int(rng.integers(1, 40)))
    low, high = sorted(rng.choice([-128, -127, -5, 0, 3, 126, 127], 2).tolist())
    near = rng.choice([-128, low, high, 127, 0, min(low + 1, 127), max(high - 1, -128)], kind.shape)
    return node("clamp_mask_i8", kind, low=low, high=high), [near.astype(np.int8)]


def lookup(rng: Random) -> Given:
    kind = int8(int(rng.integers(1, 40)))
    made = node("lookup_i8", kind, typed("int8", ENTRIES), scale=0.5, zero_point=0)
    return made, [some_bytes(rng, kind.shape), some_bytes(rng, (ENTRIES,))]


def slice_(rng: Random) -> Given:
    shape = tuple(rng.integers(1, 14, 3).tolist())
    axis = int(rng.integers(0, 3))
    start = int(rng.integers(0, shape[axis]))
    stop = int(rng.integers(start + 1, shape[axis] + 1))
    attrs = {"axis": axis, "start": start, "stop": stop, "step": int(rng.integers(1, 3))}
    return node("slice_i8", int8(*shape), **attrs), [some_bytes(rng, shape)]


def concat(rng: Random) -> Given:
    shape = rng.integers(1, 14, 3).tolist()
    axis, other = int(rng.integers(0, 3)), list(shape)
    other[axis] = int(rng.integers(1, 14))
    kinds = int8(*shape), int8(*other)
    return node("concat_i8", *kinds, axis=axis), [some_bytes(rng, k.shape) for k in kinds]


RANDOM: dict[str, Callable[[Random], Given]] = {
    "add_i8": two_operands("add_i8"),
    "clamp_mask_i8": clamp_mask,
    "concat_i8": concat,
    "conv2d_i8": convolution,
    "conv2d_pair_i8": lambda rng: pair(rng, "conv2d_pair_i8"),
    "depthwise_i8": depthwise,
    "linear_i8": linear,
    "linear_i8_f32": linear_real,
    "linear_pair_i8": lambda rng: pair(rng, "linear_pair_i8"),
    "lookup_i8": lookup,
    "mul_i8": two_operands("mul_i8"),
    "requantize_i8": requantize,
    "slice_i8": slice_,
    **GRADIENTS,
    **DIRECT,
    **FLOATS,
}


def given(op: str) -> Iterator[Given]:
    """The op's samples, then random nodes; the same every time."""
    for case in CASES:
        if case.op.name == op:
            yield case.node(), case.draw()
    if op in RANDOM:
        rng = np.random.default_rng(7)
        for _ in range(ROUNDS):
            yield RANDOM[op](rng)
    if op == "depthwise_i8":
        yield from wide_depthwise(np.random.default_rng(8))
    if op in SPECIAL:
        yield from SPECIAL[op]()
