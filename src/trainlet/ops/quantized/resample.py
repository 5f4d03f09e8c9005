"""Quantised bilinear up-sampling of maps [N,H,W,C]: TensorFlow Lite's RESIZE_BILINEAR, bit for bit.

Rows and columns have two taps each, whose weights are multiples of 2^-10; the sum of four products
is rounded once.  Scale and zero point are kept.
"""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Op, Sample, Thunk, build, float32, register, require, typed
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import affine, int8
from trainlet.ops.resample import check_taps, drawn_taps
from trainlet.ops.ties import last_axis

UNIT = 1 << 10
"""Of the weights."""


def _infer(
    x: TensorType, rows: TensorType, down: TensorType, columns: TensorType, across: TensorType
) -> TensorType:
    affine(x)
    require(x.rank == 4, f"input {x} must have four dimensions")
    check_taps(rows, down, 2)
    check_taps(columns, across, 2)
    return x.with_shape((x.shape[0], rows.size // 2, columns.size // 2, x.shape[3]))


def _evaluate(
    x: np.ndarray, rows: np.ndarray, down: np.ndarray, columns: np.ndarray, across: np.ndarray
) -> np.ndarray:
    whole = [np.rint(w * UNIT).astype(np.int64) for w in (down, across)]
    wide = x.astype(np.int64)
    y = sum(
        wide[:, rows[i::2]][:, :, columns[j::2]]
        * whole[0][i::2, None, None]
        * whole[1][None, j::2, None]
        for i in range(2)
        for j in range(2)
    )
    return (np.sign(y) * ((np.abs(y) + UNIT**2 // 2) // UNIT**2)).astype(np.int8)


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, rows, down, columns, across = n.inputs

    def dx() -> Node:
        flat = {"taps": 2, "label": n.name}
        wide = build("resample_dx", g, rows, down, axis=1, size=x.type.shape[1], **flat)
        return build("resample_dx", wide, columns, across, axis=2, size=x.type.shape[2], **flat)

    return [dx, None, None, None, None]


def _draw_weights(rng: np.random.Generator, many: int) -> np.ndarray:
    """Of pairs that make 1, in units."""
    first = rng.integers(0, UNIT + 1, many) / UNIT
    return np.stack([first, 1 - first], 1).reshape(-1).astype(np.float32)


def _sample(x: tuple[int, int, int, int], size: tuple[int, int]) -> Sample:
    taps = [kind for m in size for kind in (typed("int32", 2 * m), float32(2 * m))]
    return Sample(
        (int8(*x), *taps),
        {},
        {
            0: draw_int8(x),
            1: drawn_taps(x[1], 2 * size[0]),
            2: lambda rng: _draw_weights(rng, size[0]),
            3: drawn_taps(x[2], 2 * size[1]),
            4: lambda rng: _draw_weights(rng, size[1]),
        },
    )


register(
    Op(
        "resample_i8",
        ties=last_axis,
        infer=_infer,
        eval=_evaluate,
        vjp=_vjp,
        call=lambda n: (*n.inputs[0].type.shape, *n.type.shape[1:3]),
        macs=lambda n: 4 * n.type.size,
        samples=[_sample((2, 3, 4, 3), (5, 7)), _sample((1, 5, 1, 2), (3, 1))],
    )
)
