"""Slices along one dimension as weighted sums of slices: linear and cubic up-sampling.

x [.., S, ..], index int32 [M T], weight float32 [M T]: slice m of the result is the sum of the T
slices index[m T + t] times weight[m T + t].
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ALONG_AXIS
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
    typed,
)
from trainlet.ops.ties import except_along


def _infer(
    x: TensorType, index: TensorType, weight: TensorType, *, axis: int, taps: int
) -> TensorType:
    require(0 <= axis < x.rank, f"axis {axis} of {x}")
    check_taps(index, weight, taps)
    return x.with_shape((*x.shape[:axis], index.size // taps, *x.shape[axis + 1 :]))


def check_taps(index: TensorType, weight: TensorType, taps: int) -> None:
    """Raise ShapeError unless each slice has this many taps."""
    require(
        index == typed("int32", index.size) and weight == float32(index.size),
        f"index {index}, weight {weight}; allowed: as many numbers in each",
    )
    require(taps > 0 and index.size % taps == 0, f"{index} does not hold {taps} taps a slice")


def resampled(
    x: np.ndarray, index: np.ndarray, weight: np.ndarray, *, axis: int, taps: int
) -> np.ndarray:
    """The sums in the order of the taps."""
    y = np.zeros(1, x.dtype)
    for t in range(taps):
        along = [-1 if k == axis else 1 for k in range(x.ndim)]
        y = y + x.take(index[t::taps], axis) * weight[t::taps].astype(x.dtype).reshape(along)
    return y


def _dx(
    g: np.ndarray, index: np.ndarray, weight: np.ndarray, *, axis: int, taps: int, size: int
) -> np.ndarray:
    moved = np.moveaxis(g, axis, 0)
    total = np.zeros((size, *moved.shape[1:]), g.dtype)
    scaled = weight.astype(g.dtype).reshape(-1, *[1] * (moved.ndim - 1))
    np.add.at(total, index, np.repeat(moved, taps, 0) * scaled)
    return np.moveaxis(total, 0, axis)


def resample_gradient(n: Node, g: Node) -> Node:
    """The gradient of the input of a resample n."""
    axis = n.attrs["axis"]
    attrs = {"axis": axis, "taps": n.attrs["taps"], "size": n.inputs[0].type.shape[axis]}
    return build("resample_dx", g, *n.inputs[1:], label=n.name, **attrs)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    return [lambda: resample_gradient(n, g), None, None]


def _literals(x: TensorType, y: TensorType, n: Node) -> tuple[int, ...]:
    """What lies around the dimension, its size before and after, and the taps between."""
    axis = n.attrs["axis"]
    around = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
    return around[0], x.shape[axis], y.shape[axis], n.attrs["taps"], around[1]


def drawn_taps(size: int, many: int) -> Callable[[np.random.Generator], np.ndarray]:
    """An index of slices below `size`."""
    return lambda rng: rng.integers(0, size, many).astype(np.int32)


CASES = [((2, 5, 3), 1, 7, 2), ((3, 4, 2, 5), 3, 3, 4), ((6,), 0, 2, 1)]
"""Shape of x, axis, slices of the result, taps."""

register(
    Op(
        "resample",
        infer=_infer,
        eval=resampled,
        vjp=_vjp,
        call=lambda n: _literals(n.inputs[0].type, n.type, n),
        macs=lambda n: n.type.size * n.attrs["taps"],
        layout=ALONG_AXIS,
        ties=lambda n: except_along([n.attrs["axis"]], n),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(*x), typed("int32", many * taps), float32(many * taps)),
                {"axis": axis, "taps": taps},
                {1: drawn_taps(x[axis], many * taps)},
            )
            for x, axis, many, taps in CASES
        ],
    )
)


def _infer_dx(
    g: TensorType, index: TensorType, weight: TensorType, *, axis: int, taps: int, size: int
) -> TensorType:
    check_taps(index, weight, taps)
    require(g.shape[axis] * taps == index.size, f"{index} does not fit axis {axis} of {g}")
    return g.with_shape((*g.shape[:axis], size, *g.shape[axis + 1 :]))


register(
    Op(
        "resample_dx",
        infer=_infer_dx,
        eval=_dx,
        call=lambda n: _literals(n.type, n.inputs[0].type, n),
        macs=lambda n: n.inputs[0].type.size * n.attrs["taps"],
        layout=ALONG_AXIS,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (
                    float32(*x[:axis], many, *x[axis + 1 :]),
                    typed("int32", many * taps),
                    float32(many * taps),
                ),
                {"axis": axis, "taps": taps, "size": x[axis]},
                {1: drawn_taps(x[axis], many * taps)},
            )
            for x, axis, many, taps in CASES
        ],
    )
)
