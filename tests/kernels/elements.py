"""Random nodes of the float32 ops that go from element to element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kernels.gradients import Given, Random, node
from trainlet.ops.fused.chain import kinds
from trainlet.ops.op import float32, typed
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import int8

EDGES = [0x0, 0x1, 0x7FFFFF, 0x800000, 0x40BFFFFF, 0x40C00000, 0x40C00001, 0x7F7FFFFF, 0x7F800000,
         0x7F800001, 0x7FBFFFFF, 0x7FC00000, 0x7FFFFFFF]  # fmt: skip
"""Bits of 0, denormals, what lies around 6, the largest number, infinity, and no number: each also
with the other sign."""
QUIET = 0x400000
"""The bit of a number that is none which a product sets."""


def values(rng: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers whose sums round, zeros of both signs, products that are denormal, and sums that
    overflow; none that are no number."""
    x = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 4, shape)
    zeros = rng.random(shape) < rng.choice([0, 0.3, 1], p=[0.5, 0.4, 0.1])
    x = np.where(zeros, rng.choice([0.0, -0.0], shape), x)
    kind = rng.random()
    if kind < 0.1:
        x = x * 1e-21
    elif kind < 0.2:
        x = np.abs(x) * 1e19
    return x.astype(np.float32)


def counts(rng: Random, *most: int) -> list[int]:
    """Around the sizes of blocks of four, and now and then many."""
    return [int(rng.integers(1, m + 1)) if rng.random() < 0.9 else 70 for m in most]


def any_bits(rng: Random, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers, infinities and what is none: some bits, or edges, or numbers around 0 and 6."""
    bits = rng.integers(0, 2**32, shape, dtype=np.uint32)
    edges = rng.choice(np.array(EDGES, np.uint32), shape) | (bits & np.uint32(1 << 31))
    near = rng.uniform(-8, 8, shape).astype(np.float32).view(np.uint32)
    kind = rng.integers(0, 3, shape) if rng.random() < 0.7 else np.full(shape, rng.integers(0, 3))
    return np.choose(kind, [bits, edges, near]).astype(np.uint32).view(np.float32)


def activation(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        shape = tuple(counts(rng, 5, 13))
        return node(op, float32(*shape)), [any_bits(rng, shape)]

    return draw


def mask_dx(rng: Random) -> Given:
    (size,) = counts(rng, 40)
    g = any_bits(rng, (size,)).view(np.uint32)
    g = np.where(np.isnan(g.view(np.float32)), g | np.uint32(QUIET), g).view(np.float32)
    mask = rng.integers(0, 256, (size + 7) // 8).astype(np.uint8)
    slope = float(rng.choice([1.0, 1.0, 1 / 6, -0.5]))
    return node("mask_dx", float32(size), typed("uint8", mask.size), slope=slope), [g, mask]


def repeated(rng: Random) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and one that repeats to it: the same, its last dimension, or any."""
    last = 8 * int(rng.integers(1, 4)) if rng.random() < 0.4 else counts(rng, 27)[0]
    shape = (*counts(rng, 4, 5), last)
    kind = rng.integers(0, 3)
    if kind == 0:
        return shape, shape
    return shape, shape[-1:] if kind == 1 else tuple(1 if rng.random() < 0.5 else n for n in shape)


def two_operands(op: str) -> Callable[[Random], Given]:
    def draw(rng: Random) -> Given:
        shapes = repeated(rng)[:: int(rng.choice([1, -1]))]
        return node(op, *(float32(*s) for s in shapes)), [values(rng, s) for s in shapes]

    return draw


def sum_to(rng: Random) -> Given:
    """Of a map alone, or added to a sum before."""
    shape, to = repeated(rng)
    shapes = [shape, to][: 1 + int(rng.integers(0, 2))]
    factor = 1.0 if len(shapes) > 1 else float(rng.choice([1.0, 1 / 15]))
    made = node("sum_to", *(float32(*s) for s in shapes), shape=to, factor=factor)
    return made, [values(rng, s) for s in shapes]


def mul_sum(rng: Random) -> Given:
    shape, to = repeated(rng)
    other = shape if rng.random() < 0.7 else to
    made = node("mul_sum", float32(*shape), float32(*other), shape=to)
    return made, [values(rng, shape), values(rng, other)]


def sgd(rng: Random) -> Given:
    """Of all of a parameter, or of the leading part of an axis."""
    shape = counts(rng, 4, 5, 21)
    part = list(shape)
    if rng.random() < 0.5:
        axis = int(rng.integers(0, 3))
        part[axis] = int(rng.integers(1, shape[axis] + 1))
    rate = np.asarray(rng.choice([0.0, -0.0, 0.1, 3.0]), np.float32)
    kinds = float32(*shape), float32(*part), float32()
    return node("sgd", *kinds), [values(rng, tuple(shape)), values(rng, tuple(part)), rate]


def eights(rng: Random) -> Given:
    """Products and sums of a map with vectors, in either order: up to three, as registers hold."""
    rows, columns = counts(rng, 5, 27)
    links = [(str(rng.choice(["mul", "add"])), str(rng.choice(["xv", "vx"])), {})
             for _ in range(rng.integers(1, 4))]  # fmt: skip
    links[0] = (links[0][0], links[0][1].replace("x", "m"), {})
    shapes = {"m": (rows, columns), "v": (columns,)}
    drawn = [values(rng, shapes[kind]) for kind in kinds(links)]
    return node("fused", *(float32(*a.shape) for a in drawn), links=tuple(links)), drawn


def chain(rng: Random) -> Given:
    """Functions that no kernel shadows, of a float32 or an int8 map, beside maps and vectors."""
    rows, columns = counts(rng, 4, 13)
    shapes = {"m": (rows, columns), "v": (columns,)}
    first = [("dequantize", "m", AFFINE), ("mul", "mv", {}), ("hard_swish", "m", {}),
             ("tanh_dx", "mm", {})]  # fmt: skip
    then = [("sub", "vx", {}), ("sub", "xm", {}), ("scale", "x", {"factor": -1.5}),
            ("add", "mx", {}), ("hard_sigmoid", "x", {}), ("hard_swish_dx", "xm", {})]  # fmt: skip
    last = [
        ("offset", "x", {"term": 0.25}),
        ("quantize", "x", {**AFFINE, "low": -100, "high": 127}),
    ]
    pick = [rng.integers(0, len(some)) for some in (first, then, then, last)]
    links = tuple(some[k] for some, k in zip((first, then, then, last), pick, strict=True))
    drawn = [values(rng, shapes[kind]) for kind in kinds(links)]
    types = [float32(*a.shape) for a in drawn]
    if links[0][0] == "dequantize":
        drawn[0], types[0] = draw_int8(shapes["m"])(rng), int8(*shapes["m"], **AFFINE)
    return node("fused", *types, links=links), drawn


def fused(rng: Random) -> Given:
    return eights(rng) if rng.random() < 0.6 else chain(rng)


AFFINE = {"scale": 0.046875, "zero_point": -7}
ACTIVATIONS = ("relu", "relu6", "relu_mask", "relu6_mask")
RANDOM: dict[str, Callable[[Random], Given]] = {
    **{op: activation(op) for op in ACTIVATIONS},
    "mask_dx": mask_dx,
    "add": two_operands("add"),
    "fused": fused,
    "mul": two_operands("mul"),
    "sum_to": sum_to,
    "mul_sum": mul_sum,
    "sgd": sgd,
}
