"""Quantised pooling, channels last: average and maximum over windows, mean over axes.

Windows never count their padding, as in TensorFlow Lite.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.layout import ALONG_AXES
from trainlet.ops.op import Literal, Op, Sample, build, register, require, typed
from trainlet.ops.pool import patches
from trainlet.ops.quantized.fixed_point import Affine, clamped, quantize_multiplier, rescale
from trainlet.ops.quantized.gradient.pool import avg_pool_gradients, max_pool_gradients, window_of
from trainlet.ops.quantized.gradient.reduce import mean_gradients
from trainlet.ops.quantized.sampling import draw_int8
from trainlet.ops.quantized.types import LOWEST, check_source, int8, masked, result
from trainlet.ops.row_access import window_rows
from trainlet.ops.ties import last_axis
from trainlet.ops.window import Geometry, Pair, areas


def _pooled(x: TensorType, geometry: Geometry) -> tuple[int, ...]:
    """The shape of the result; raises ShapeError when a window may miss the map."""
    require(x.rank == 4, f"input {x} must have four dimensions")
    size, kernel = geometry.out(x.shape[1:3]), geometry.kernel
    require(
        all(p < k for p, k in zip(geometry.padding, (*kernel, *kernel), strict=True)),
        f"padding {geometry.padding} is not less than the window {kernel}",
    )
    return x.shape[0], *size, x.shape[3]


def _infer(
    x: TensorType, *, scale: float, zero_point: int, low: int, high: int, **window: Any
) -> TensorType:
    """Pooling keeps scale and zero point."""
    shape = _pooled(x, Geometry(**window))
    check_source(x, (scale, zero_point))
    return result(x, shape, scale, zero_point, low, high)


def _patches(x: np.ndarray, fill: int, window: dict[str, Any]) -> np.ndarray:
    """[KH KW, N, OH, OW, C] of int32."""
    return patches(x.astype(np.int32), Geometry(**window), fill)


def rounded_mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """total / count, halves away from zero."""
    quotient = (np.abs(total) + count // 2) // count
    return np.where(total < 0, -quotient, quotient)


def _eval_avg(
    x: np.ndarray, *, scale: float, zero_point: int, low: int, high: int, **window: Any
) -> np.ndarray:
    total = _patches(x, 0, window).sum(0)
    count = areas(x.shape[1:3], Geometry(**window), total.shape[1:3])
    return np.clip(rounded_mean(total, count), low, high).astype(np.int8)


def _eval_max(
    x: np.ndarray, *, scale: float, zero_point: int, low: int, high: int, **window: Any
) -> np.ndarray:
    return np.clip(_patches(x, LOWEST, window).max(0), low, high).astype(np.int8)


def _vjp_avg(n: Node, g: Node) -> list:
    inside, size = masked(n, g), n.inputs[0].type.shape[1:3]
    attrs = {**window_of(n), "size": size, "count_padding": False}
    return [lambda: build("avg_pool_dx", inside(), label=n.name, **attrs)]


def _vjp_max(n: Node, g: Node) -> list:
    x, window, inside = n.inputs[0], window_of(n), masked(n, g)

    def dx() -> Node:
        winner = build("max_pool_winner_i8", x, label=n.name, **window)
        attrs = {**window, "size": x.type.shape[1:3], "dilation": (1, 1)}
        return build("max_pool_dx", inside(), winner, label=n.name, **attrs)

    return [dx]


def _literals(n: Node) -> tuple[Literal, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding."""
    return Geometry.of(n).literals(n.inputs[0].type, n.type)[:-2]


_WINDOWS = [
    ((2, 4, 6, 3), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0)}),
    ((1, 5, 5, 2), {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 1, 1)}),
]
_QUANT = {"scale": 0.5, "zero_point": -3, "low": -100, "high": 90}


def _samples(quant: dict) -> list[Sample]:
    return [
        Sample((int8(*x, scale=0.5, zero_point=-3),), {**window, **quant}, {0: draw_int8(x)})
        for x, window in _WINDOWS
    ]


for _name, _meaning, _vjp, _vjp_bfp in [
    ("avg", _eval_avg, _vjp_avg, avg_pool_gradients),
    ("max", _eval_max, _vjp_max, max_pool_gradients),
]:
    register(
        Op(
            f"{_name}_pool_i8",
            ties=last_axis,
            rows=window_rows,
            infer=_infer,
            eval=_meaning,
            vjp=_vjp,
            vjp_bfp=_vjp_bfp,
            call=lambda n: (*_literals(n), n.attrs["low"], n.attrs["high"]),
            samples=_samples(_QUANT),
        )
    )


def _infer_winner(x: TensorType, *, kernel: Pair, **window: Any) -> TensorType:
    require(kernel[0] * kernel[1] <= 256, f"a {kernel} window has more than 256 places")
    return typed("uint8", *_pooled(x, Geometry(kernel, **window)))


register(
    Op(
        "max_pool_winner_i8",
        rows=window_rows,
        infer=_infer_winner,
        eval=lambda x, **window: _patches(x, LOWEST - 1, window).argmax(0).astype(np.uint8),
        call=_literals,
        samples=_samples({}),
    )
)


def _split(x: TensorType, axes: tuple[int, ...]) -> tuple[int, int, int]:
    """(outer, averaged, inner) sizes; raises ShapeError unless the axes are neighbours."""
    require(
        bool(axes) and all(0 <= k < x.rank for k in axes) and sorted(set(axes)) == list(axes),
        f"axes {axes} of {x}: they must be among 0..{x.rank - 1}, ascending",
    )
    wide = [k for k in range(x.rank) if x.shape[k] > 1]
    positions = [wide.index(k) for k in axes if k in wide]
    require(
        positions == list(range(positions[0], positions[-1] + 1)) if positions else True,
        f"axes {axes} of {x} are not neighbours; allowed: one run of axes",
    )
    first, last = (wide[positions[0]], wide[positions[-1]]) if positions else (0, -1)
    return prod(x.shape[:first]), prod(x.shape[first : last + 1]), prod(x.shape[last + 1 :])


def _mean_shape(x: TensorType, axes: tuple[int, ...], keep: bool) -> tuple[int, ...]:
    if keep:
        return tuple(1 if k in axes else n for k, n in enumerate(x.shape))
    return tuple(n for k, n in enumerate(x.shape) if k not in axes)


def _infer_mean(
    x: TensorType, *, axes: tuple[int, ...], keep: bool, source: Affine, scale: float,
    zero_point: int, low: int, high: int,
) -> TensorType:  # fmt: skip
    check_source(x, source)
    count = _split(x, axes)[1]
    require(count < 1 << 23, f"a mean of {count} bytes may leave 32 bits")
    mean_factor(source[0], scale, count)
    return result(x, _mean_shape(x, axes, keep), scale, zero_point, low, high)


def mean_factor(s_x: float, s_y: float, count: int) -> tuple[int, int]:
    """The rescaling from a sum of `count` elements to their mean, truncated where TFLite's is."""
    ratio = np.float64(np.float32(s_x)) / np.float64(np.float32(s_y))
    multiplier, shift = quantize_multiplier(float(ratio))
    up = max(min(count.bit_length() - 1, 32, 31 + shift), 0)
    return (multiplier << up) // count, shift - up


def _eval_mean(
    x: np.ndarray, *, axes: tuple[int, ...], keep: bool, source: Affine, scale: float,
    zero_point: int, low: int, high: int,
) -> np.ndarray:  # fmt: skip
    count = prod(x.shape[k] for k in axes)
    total = x.sum(tuple(axes), dtype=np.int64, keepdims=keep) - source[1] * count
    return clamped(rescale(total, *mean_factor(source[0], scale, count)), zero_point, low, high)


def _vjp_mean(n: Node, g: Node) -> list:
    x, axes, inside = n.inputs[0], n.attrs["axes"], masked(n, g)
    factor = n.type.size / x.type.size

    def dx() -> Node:
        kept = build("reshape", inside(), shape=_mean_shape(x.type, axes, True))
        return build("broadcast_to", kept, shape=x.type.shape, factor=factor, label=n.name)

    return [dx]


def _call_mean(n: Node) -> tuple[Literal, ...]:
    a = n.attrs
    outer, count, inner = _split(n.inputs[0].type, a["axes"])
    factor = mean_factor(a["source"][0], a["scale"], count)
    return outer, count, inner, a["source"][1], *factor, a["zero_point"], a["low"], a["high"]


register(
    Op(
        "mean_i8",
        infer=_infer_mean,
        eval=_eval_mean,
        vjp=_vjp_mean,
        vjp_bfp=mean_gradients,
        call=_call_mean,
        layout=ALONG_AXES,
        ties=lambda n: () if n.inputs[0].type.rank - 1 in n.attrs["axes"] else last_axis(n),
        samples=[
            Sample(
                (int8(*x, scale=0.5, zero_point=6),),
                {"axes": axes, "keep": keep, "source": (0.5, 6), "scale": scale, **quant},
                {0: draw_int8(x)},
            )
            for x, axes, keep, scale, quant in [
                ((2, 5, 3, 4), (1, 2), True, 0.5, {"zero_point": 6, "low": -128, "high": 127}),
                ((2, 3, 1, 7), (2, 3), False, 0.11, {"zero_point": -9, "low": -50, "high": 50}),
            ]
        ],
    )
)
