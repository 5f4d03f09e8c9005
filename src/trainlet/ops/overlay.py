"""A weight with some of its slices replaced: those that learn, at positions known at run time."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Literal, Op, Sample, float32, register, require, typed
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import int8


def _infer(whole: TensorType, part: TensorType, index: TensorType, *, axis: int) -> TensorType:
    """Slice index[k] of the result along the axis is slice k of `part`; others are of `whole`."""
    sides = [t.shape[:axis] + t.shape[axis + 1 :] for t in (whole, part)]
    require(
        whole.rank == part.rank
        and 0 <= axis < whole.rank
        and sides[0] == sides[1]
        and part.shape[axis] <= whole.shape[axis]
        and whole.dtype == part.dtype,
        f"{part} does not replace slices of {whole} along axis {axis}",
    )
    require(
        index == typed("int32", part.shape[axis]),
        f"index {index}; allowed: int32[{part.shape[axis]}]",
    )
    return whole


def _eval(whole: np.ndarray, part: np.ndarray, index: np.ndarray, *, axis: int) -> np.ndarray:
    result = whole.copy()
    np.moveaxis(result, axis, 0)[index] = np.moveaxis(part, axis, 0)
    return result


def _literals(n: Node) -> tuple[Literal, ...]:
    axis, whole = n.attrs["axis"], n.type.shape
    return prod(whole[:axis]), whole[axis], n.inputs[1].type.shape[axis], prod(whole[axis + 1 :])


def _drawn(size: int, many: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: np.sort(rng.choice(size, many, replace=False)).astype(np.int32)


CASES = [((4, 5), 1, 2), ((6, 2, 3), 0, 4), ((2, 5, 3), 1, 5)]
"""Shape of the whole, the axis, and how many slices are replaced."""


def _part(whole: tuple[int, ...], axis: int, many: int) -> tuple[int, ...]:
    return (*whole[:axis], many, *whole[axis + 1 :])


register(
    Op(
        "overlay",
        infer=_infer,
        eval=_eval,
        call=_literals,
        samples=[
            Sample(
                (float32(*w), float32(*_part(w, axis, many)), typed("int32", many)),
                {"axis": axis},
                {2: _drawn(w[axis], many)},
            )
            for w, axis, many in CASES
        ],
    )
)

register(
    Op(
        "overlay_i8",
        infer=_infer,
        eval=_eval,
        call=_literals,
        samples=[
            Sample(
                (int8(*w), int8(*_part(w, axis, many)), typed("int32", many)),
                {"axis": axis},
                {0: draw_int8(w), 1: draw_int8(_part(w, axis, many)), 2: _drawn(w[axis], many)},
            )
            for w, axis, many in CASES
        ],
    )
)
