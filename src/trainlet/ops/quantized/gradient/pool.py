"""Gradients of quantised pooling in block floating point; windows never count their padding."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import Literal, Op, Sample, Thunk, build, register, require, typed
from trainlet.ops.pool import patches, scattered_to_winners
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    shift_even,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.exponent import scanned
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.window import Geometry, Pair, Size, areas, scattered


def window_of(n: Node) -> dict[str, tuple[int, ...]]:
    """The attributes of a pooling that its gradients need."""
    return {key: n.attrs[key] for key in ("kernel", "stride", "padding")}


def _literals(n: Node) -> tuple[Literal, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, bytes of a mantissa."""
    return *Geometry.of(n).literals(n.type, n.inputs[0].type)[:-2], width(n.type)


def _infer_avg(
    g: TensorType, e: TensorType, out: TensorType, *, size: Pair, **window: Any
) -> TensorType:
    check_block(g, e, out)
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _shares(size: Size, out: Size, geometry: Geometry) -> np.ndarray:
    """For each window 1 / its area in Q15, [1,OH,OW,1]."""
    area = areas(size, geometry, out)
    return (32768 + area // 2) // area


def _eval_avg(
    g: np.ndarray, e: np.ndarray, out: np.ndarray, *, size: Pair, **window: Any
) -> np.ndarray:
    geometry = Geometry(**window)
    share = g.astype(np.int64) * _shares(size, g.shape[1:3], geometry)
    dx = scattered(repeat(share), size, geometry)
    return mantissas(shift_even(dx, int(out) - int(e) + 15), str(g.dtype))


_TWO = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0)}
_EDGE = {"kernel": (3, 3), "stride": (2, 1), "padding": (1, 1, 1, 1)}

register(
    Op(
        "avg_pool_bfp_dx",
        infer=_infer_avg,
        eval=_eval_avg,
        call=_literals,
        samples=[
            Sample(
                (block(dtype, *g), EXPONENT, EXPONENT),
                {"size": size, **window},
                {0: draw_block(dtype, g), 1: draw_exponent(-9), 2: draw_exponent(out)},
            )
            for dtype, g, size, window, out in [
                ("int16", (2, 2, 3, 3), (4, 6), _TWO, -11),
                ("int16", (1, 3, 4, 2), (5, 4), _EDGE, -7),
                ("int8", (1, 3, 4, 2), (5, 4), _EDGE, -7),
            ]
        ],
    )
)


def _overlap(n: Node) -> int:
    """How many windows one element can lie in."""
    down, across = (-(-k // s) for k, s in zip(n.attrs["kernel"], n.attrs["stride"], strict=True))
    return down * across


def avg_pool_gradients(n: Node, g: Node) -> list[Thunk | None]:
    inside, size = masked_block(n, g), n.inputs[0].type.shape[1:3]
    window = window_of(n)
    largest = int(_shares(size, n.type.shape[1:3], Geometry.of(n)).max())

    def dx() -> Node:
        gradient = inside()
        out = scanned(gradient, largest * _overlap(n), -15)
        return build("avg_pool_bfp_dx", gradient, exponent_of(gradient), out, size=size,
                     label=n.name, **window)  # fmt: skip

    return [dx]


def _infer_max(
    g: TensorType, winner: TensorType, e: TensorType, out: TensorType, *, size: Pair, **window: Any
) -> TensorType:
    check_block(g, e, out)
    require(winner == typed("uint8", *g.shape), f"winners {winner} do not fit {g}")
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _eval_max(
    g: np.ndarray, winner: np.ndarray, e: np.ndarray, out: np.ndarray, *, size: Pair, **window: Any
) -> np.ndarray:
    share = shift_even(g, int(out) - int(e))
    dx = scattered_to_winners(share, winner, size, Geometry(**window))
    return mantissas(dx, str(g.dtype))


_OVER = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 1, 1)}


def _winners(size: Size, window: dict[str, Any]) -> np.ndarray:
    """Of a random map."""
    x = np.random.default_rng(0).standard_normal((1, *size, 2))
    return patches(x, Geometry(**window), -np.inf).argmax(0).astype(np.uint8)


register(
    Op(
        "max_pool_bfp_dx",
        infer=_infer_max,
        eval=_eval_max,
        call=_literals,
        samples=[
            Sample(
                (block(dtype, *g), typed("uint8", *g), EXPONENT, EXPONENT),
                {"size": size, **window},
                {
                    0: draw_block(dtype, g),
                    1: lambda rng, s=size, w=window: _winners(s, w),
                    2: draw_exponent(-9),
                    3: draw_exponent(out),
                },
            )
            for dtype, g, size, window, out in [
                ("int16", (1, 2, 3, 2), (4, 6), _TWO, -9),
                ("int16", (1, 4, 6, 2), (7, 6), _OVER, -6),
                ("int8", (1, 4, 6, 2), (7, 6), _OVER, -6),
            ]
        ],
    )
)


def max_pool_gradients(n: Node, g: Node) -> list[Thunk | None]:
    x, inside = n.inputs[0], masked_block(n, g)
    window = window_of(n)

    def dx() -> Node:
        gradient, many = inside(), _overlap(n)
        winner = build("max_pool_winner_i8", x, label=n.name, **window)
        e = exponent_of(gradient)
        out = scanned(gradient, many, slack=many) if many > 1 else e
        return build("max_pool_bfp_dx", gradient, winner, e, out, size=x.type.shape[1:3],
                     label=n.name, **window)  # fmt: skip

    return [dx]
