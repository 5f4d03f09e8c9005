"""Two parts of a tensor, put together in any order along an axis: a weight of which some channels
learn."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Literal, Op, Sample, float32, register, require, typed


def joined_shape(a: tuple[int, ...], b: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape of the result."""
    return (*a[:axis], a[axis] + b[axis], *a[axis + 1 :])


def infer(a: TensorType, b: TensorType, index: TensorType, *, axis: int) -> TensorType:
    """Slice k of the result is slice index[k] of the concatenation of a and b along the axis."""
    sides = [t.shape[:axis] + t.shape[axis + 1 :] for t in (a, b)]
    require(a.rank == b.rank and sides[0] == sides[1], f"{a} and {b} differ beside axis {axis}")
    shape = joined_shape(a.shape, b.shape, axis)
    require(
        index.dtype == "int32" and index.shape == (shape[axis],),
        f"index {index}; allowed: int32[{shape[axis]}]",
    )
    return a.with_shape(shape)


def evaluate(a: np.ndarray, b: np.ndarray, index: np.ndarray, *, axis: int) -> np.ndarray:
    """The parts, put together."""
    return np.concatenate([a, b], axis).take(index, axis)


def literals(n: Node) -> tuple[Literal, ...]:
    """Sizes for the C call."""
    axis, shape = n.attrs["axis"], n.type.shape
    first, second = (i.type.shape[axis] for i in n.inputs[:2])
    return prod(shape[:axis]), first, second, prod(shape[axis + 1 :])


def drawn(size: int) -> Callable[[np.random.Generator], np.ndarray]:
    """A permutation of so many slices."""
    return lambda rng: rng.permutation(size).astype(np.int32)


CASES = [((4, 2), (4, 3), 1), ((2, 5, 3), (1, 5, 3), 0), ((2, 1, 3), (2, 4, 3), 1)]
"""Shapes of both parts, and the axis."""


register(
    Op(
        "interleave",
        infer=infer,
        eval=evaluate,
        call=literals,
        samples=[
            Sample(
                (float32(*a), float32(*b), typed("int32", a[axis] + b[axis])),
                {"axis": axis},
                {2: drawn(a[axis] + b[axis])},
            )
            for a, b, axis in CASES
        ],
    )
)
