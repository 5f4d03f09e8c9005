"""Inputs on which the integer ops are tested: the extremes of a byte included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from trainlet.ir.storage import Planes, split_planes
from trainlet.ir.types import TensorType
from trainlet.ops.op import Sample, typed
from trainlet.ops.quantized.fixed_point import Affine, requantization

Draw = Callable[[np.random.Generator], np.ndarray]


def draw_int8(shape: Sequence[int]) -> Draw:
    """Random int8 values in which the extremes are frequent."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        some = rng.integers(-128, 128, shape)
        ends = rng.choice([-128, 127], shape)
        return np.where(rng.random(shape) < 0.1, ends, some).astype(np.int8)

    return draw


def draw_integers(shape: Sequence[int], limit: int) -> Draw:
    """Integers in -limit..limit."""
    return lambda rng: rng.integers(-limit, limit + 1, shape)


def draw_bases(rng: np.random.Generator) -> np.ndarray:
    """40 biases, of which some are so far that a difference carries them beyond int32."""
    ends = rng.choice([-(2**31 - 1), 2**31 - 1], 40) + rng.integers(-9, 1, 40)
    return np.where(rng.random(40) < 0.3, np.clip(ends, -(2**31 - 1), None),
                    rng.integers(-99_999, 100_000, 40)).astype(np.int32)  # fmt: skip


def draw_planes(planes: Planes) -> Draw:
    """An int8 tensor with fractional bits where it learns."""
    *outer, size = planes.tensor.shape
    unit = 1 << planes.bits

    def draw(rng: np.random.Generator) -> np.ndarray:
        values = rng.integers(-126 * unit, 126 * unit, (prod(outer), size))
        whole = values // unit * unit
        whole[: planes.rows, : planes.columns] = values[: planes.rows, : planes.columns]
        return split_planes(whole.reshape(planes.tensor.shape), planes)

    return draw


def layer_sample(
    x: TensorType, w: TensorType, attrs: dict[str, Any], channels: int, spread: float
) -> Sample:
    """A layer (x, w, b, q) whose sums, about `spread`, fill the range of the result."""
    source: Affine = attrs["source"]
    assert w.quant is not None

    def bias(rng: np.random.Generator) -> np.ndarray:
        return rng.integers(-int(spread), int(spread) + 1, channels).astype(np.int32)

    def rescaling(rng: np.random.Generator) -> np.ndarray:
        return requantization(source[0], np.array(w.quant.scale), attrs["scale"])  # type: ignore

    values = {0: draw_int8(x.shape), 1: draw_int8(w.shape), 2: bias, 3: rescaling}
    types = (x, w, typed("int32", channels), typed("int32", 2, channels))
    return Sample(types, attrs, values)
