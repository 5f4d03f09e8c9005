"""Gradients of quantised pooling in block floating point; windows never count their padding."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps
from trainlet.ops.op import Literal, Op, Sample, Thunk, build, register, require, typed
from trainlet.ops.quantized.gradient.block import (
    EXPONENT,
    check_block,
    exponent_of,
    mantissas,
    rule,
    shift_even,
    width,
)
from trainlet.ops.quantized.gradient.elementwise import masked_block
from trainlet.ops.quantized.gradient.exponent import scanned
from trainlet.ops.quantized.gradient.sampling import block, draw_block, draw_exponent
from trainlet.ops.quantized.pool import WINDOW


def _literals(n: Node) -> tuple[Literal, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, bytes of a mantissa."""
    a, spots = n.attrs, n.inputs[0].type.shape[1:3]
    window = (*a["kernel"], *a["stride"], *a["padding"][:2])
    return *n.type.shape, *spots, *window, width(n.type)


def _infer_avg(
    g: TensorType, e: TensorType, out: TensorType, *, size: Pair, kernel: Pair, stride: Pair,
    padding: Quad,
) -> TensorType:  # fmt: skip
    check_block(g, e, out)
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _shares(
    size: tuple[int, ...], out: Pair, kernel: Pair, stride: Pair, padding: Quad
) -> np.ndarray:
    """For each window 1 / its area in Q15, [1,OH,OW,1]."""
    ones = pad_map(np.ones((1, *size, 1), np.int64), padding)
    area = np.sum([ones[part] for _, _, part in taps(kernel, out, stride)], 0)
    return (32768 + area // 2) // area


def _empty(g: np.ndarray, size: Pair, padding: Quad) -> tuple[np.ndarray, tuple[slice, ...]]:
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, g.shape[3])
    inside = (slice(None), slice(top, top + size[0]), slice(left, left + size[1]))
    return np.zeros(shape, np.int64), inside


def _eval_avg(
    g: np.ndarray, e: np.ndarray, out: np.ndarray, *, size: Pair, kernel: Pair, stride: Pair,
    padding: Quad,
) -> np.ndarray:  # fmt: skip
    dx, inside = _empty(g, size, padding)
    spots = (g.shape[1], g.shape[2])
    share = g.astype(np.int64) * _shares(size, spots, kernel, stride, padding)
    for _, _, part in taps(kernel, spots, stride):
        dx[part] += share
    return mantissas(shift_even(dx[inside], int(out) - int(e) + 15), str(g.dtype))


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


@rule("avg_pool_i8")
def _vjp_avg(n: Node, g: Node) -> list[Thunk | None]:
    inside, size = masked_block(n, g), n.inputs[0].type.shape[1:3]
    window = {key: n.attrs[key] for key in WINDOW}
    largest = int(_shares(size, n.type.shape[1:3], **window).max())  # type: ignore[arg-type]

    def dx() -> Node:
        gradient = inside()
        out = scanned(gradient, largest * _overlap(n), -15)
        return build("avg_pool_bfp_dx", gradient, exponent_of(gradient), out, size=size,
                     label=n.name, **window)  # fmt: skip

    return [dx]


def _infer_max(
    g: TensorType, winner: TensorType, e: TensorType, out: TensorType, *, size: Pair, kernel: Pair,
    stride: Pair, padding: Quad,
) -> TensorType:  # fmt: skip
    check_block(g, e, out)
    require(winner == typed("uint8", *g.shape), f"winners {winner} do not fit {g}")
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _eval_max(
    g: np.ndarray, winner: np.ndarray, e: np.ndarray, out: np.ndarray, *, size: Pair, kernel: Pair,
    stride: Pair, padding: Quad,
) -> np.ndarray:  # fmt: skip
    dx, inside = _empty(g, size, padding)
    share = shift_even(g, int(out) - int(e))
    for ky, kx, part in taps(kernel, (g.shape[1], g.shape[2]), stride):
        dx[part] += np.where(winner == ky * kernel[1] + kx, share, 0)
    return mantissas(dx[inside], str(g.dtype))


_OVER = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 1, 1)}


def _winners(size: Pair, window: dict[str, tuple[int, ...]]) -> np.ndarray:
    """Of a random map."""
    x = np.random.default_rng(0).standard_normal((1, *size, 2))
    padded = pad_map(x, window["padding"], -np.inf)  # type: ignore[arg-type]
    spots = (4, 6) if size == (7, 6) else (2, 3)
    parts = [padded[part] for _, _, part in taps(window["kernel"], spots, window["stride"])]  # type: ignore[arg-type]
    return np.stack(parts).argmax(0).astype(np.uint8)


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


@rule("max_pool_i8")
def _vjp_max(n: Node, g: Node) -> list[Thunk | None]:
    x, inside = n.inputs[0], masked_block(n, g)
    window = {key: n.attrs[key] for key in WINDOW}

    def dx() -> Node:
        gradient, many = inside(), _overlap(n)
        winner = build("max_pool_winner_i8", x, label=n.name, **window)
        e = exponent_of(gradient)
        out = scanned(gradient, many, slack=many) if many > 1 else e
        return build("max_pool_bfp_dx", gradient, winner, e, out, size=x.type.shape[1:3],
                     label=n.name, **window)  # fmt: skip

    return [dx]
