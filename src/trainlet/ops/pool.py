"""Maximum and average over windows, channels last [N,H,W,C].

The maximum's backward pass keeps one byte an output: the winner's place in its window.
An average's window is counted with its padding or without, as the model says; adaptive
pooling, whose windows vary, keeps PyTorch's rule start = floor(i*H/OH), end = ceil((i+1)*H/OH).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Literal,
    Op,
    Sample,
    build,
    float32,
    register,
    require,
    typed,
)
from trainlet.ops.row_access import window_rows
from trainlet.ops.ties import last_axis
from trainlet.ops.window import Geometry, Pair, Size, areas, scattered, windows


def _meets(size: int, out: int, kernel: int, stride: int, before: int, dilation: int) -> bool:
    """Whether every window has an element of the map, along one dimension."""
    return all(
        any(0 <= o * stride - before + k * dilation < size for k in range(kernel))
        for o in range(out)
    )


def _infer(x: TensorType, **window: Any) -> TensorType:
    geometry = Geometry(**window)
    require(x.rank == 4, f"input {x} must have four dimensions")
    size, g = geometry.out(x.shape[1:3]), geometry
    lines = zip(x.shape[1:3], size, g.kernel, g.stride, g.padding[:2], g.dilation, strict=True)
    require(
        all(_meets(*line) for line in lines),
        f"a {g.kernel[0]}x{g.kernel[1]} window with padding {g.padding} misses the map {x} "
        "altogether",
    )
    return x.with_shape((x.shape[0], *size, x.shape[3]))


def patches(x: np.ndarray, geometry: Geometry, fill: float) -> np.ndarray:
    """The elements that each kernel position reads: [KH KW, N, OH, OW, C]."""
    return np.stack(list(windows(x, geometry, geometry.out(x.shape[1:3]), fill)))


def scattered_to_winners(
    g: np.ndarray, winner: np.ndarray, size: Pair, geometry: Geometry
) -> np.ndarray:
    """The gradient of a maximum: each element of g goes to the winner of its window."""
    count = geometry.kernel[0] * geometry.kernel[1]
    return scattered((np.where(winner == k, g, 0) for k in range(count)), size, geometry)


def _vjp_max(n: Node, g: Node) -> list:
    x = n.inputs[0]
    winner = build("max_pool_winner", x, label=n.name, **n.attrs)
    return [
        lambda: build("max_pool_dx", g, winner, size=x.type.shape[1:3], label=n.name, **n.attrs)
    ]


_TWO = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "dilation": (1, 1)}
_OVERLAP = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 0, 1, 1), "dilation": (1, 1)}
_DILATED = {"kernel": (2, 3), "stride": (1, 2), "padding": (1, 1, 0, 1), "dilation": (2, 1)}
_MAX_SAMPLES = [
    Sample((float32(2, 4, 6, 3),), _TWO),
    Sample((float32(1, 5, 5, 2),), _OVERLAP),
    Sample((float32(1, 5, 6, 2),), _DILATED),
]

register(
    Op(
        "max_pool",
        ties=last_axis,
        rows=window_rows,
        infer=_infer,
        eval=lambda x, **window: patches(x, Geometry(**window), -np.inf).max(0),
        vjp=_vjp_max,
        call=lambda n: Geometry.of(n).literals(n.inputs[0].type, n.type),
        samples=_MAX_SAMPLES,
    )
)


def _infer_winner(x: TensorType, **attrs: tuple) -> TensorType:
    kernel = attrs["kernel"]
    require(kernel[0] * kernel[1] <= 256, f"a {kernel} window has more than 256 places")
    return typed("uint8", *_infer(x, **attrs).shape)


def _eval_winner(x: np.ndarray, **window: Any) -> np.ndarray:
    return patches(x, Geometry(**window), -np.inf).argmax(0).astype(np.uint8)


register(
    Op(
        "max_pool_winner",
        rows=window_rows,
        infer=_infer_winner,
        eval=_eval_winner,
        call=lambda n: Geometry.of(n).literals(n.inputs[0].type, n.type),
        samples=_MAX_SAMPLES,
    )
)


register(
    Op(
        "max_pool_dx",
        infer=lambda g, winner, *, size, **_: g.with_shape((g.shape[0], *size, g.shape[3])),
        eval=lambda g, winner, size, **window: scattered_to_winners(
            g, winner, size, Geometry(**window)
        ),
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample(
                (float32(2, 2, 3, 3), typed("uint8", 2, 2, 3, 3)),
                {"size": (4, 6), **_TWO},
                {1: lambda rng: rng.integers(0, 4, (2, 2, 3, 3)).astype(np.uint8)},
            ),
            Sample(
                (float32(1, 4, 3, 2), typed("uint8", 1, 4, 3, 2)),
                {"size": (5, 6), **_DILATED},
                {1: lambda rng: _eval_winner(rng.standard_normal((1, 5, 6, 2)), **_DILATED)},
            ),
        ],
    )
)


def _counts(size: Size, out: Size, geometry: Geometry, count_padding: bool) -> np.ndarray:
    """Elements that each window averages over, float32 [1,OH,OW,1]."""
    if count_padding:
        return np.full((1, *out, 1), np.float32(geometry.kernel[0] * geometry.kernel[1]))
    return areas(size, geometry, out).astype(np.float32)


def _eval_avg(x: np.ndarray, *, count_padding: bool, **window: Any) -> np.ndarray:
    geometry = Geometry(**window)
    total = patches(x, geometry, 0).sum(0)
    return total / _counts(x.shape[1:3], total.shape[1:3], geometry, count_padding)


def _eval_avg_dx(g: np.ndarray, *, size: Pair, count_padding: bool, **window: Any) -> np.ndarray:
    geometry = Geometry(**window)
    share = g / _counts(size, g.shape[1:3], geometry, count_padding)
    return scattered(repeat(share), size, geometry)


def _avg_literals(n: Node, x: TensorType, y: TensorType) -> tuple[Literal, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, whether padding counts."""
    return *Geometry.of(n).literals(x, y)[:-2], int(n.attrs["count_padding"])


_AVG_TWO = {
    "kernel": (2, 2),
    "stride": (2, 2),
    "padding": (0, 0, 0, 0),
    "count_padding": True,
}
_AVG_EDGE = {
    "kernel": (3, 3),
    "stride": (2, 1),
    "padding": (1, 1, 1, 1),
    "count_padding": False,
}
_AVG_COUNTED = {
    "kernel": (2, 3),
    "stride": (1, 2),
    "padding": (1, 0, 0, 1),
    "count_padding": True,
}

register(
    Op(
        "avg_pool",
        ties=last_axis,
        rows=window_rows,
        infer=lambda x, count_padding, **window: _infer(x, **window),
        eval=_eval_avg,
        vjp=lambda n, g: [
            lambda: build(
                "avg_pool_dx", g, size=n.inputs[0].type.shape[1:3], label=n.name, **n.attrs
            )
        ],
        call=lambda n: _avg_literals(n, n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 4, 6, 3),), _AVG_TWO),
            Sample((float32(1, 5, 4, 2),), _AVG_EDGE),
            Sample((float32(1, 4, 6, 2),), _AVG_COUNTED),
        ],
    )
)

register(
    Op(
        "avg_pool_dx",
        infer=lambda g, *, size, **_: g.with_shape((g.shape[0], *size, g.shape[3])),
        eval=_eval_avg_dx,
        call=lambda n: _avg_literals(n, n.type, n.inputs[0].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 2, 3, 3),), {"size": (4, 6), **_AVG_TWO}),
            Sample((float32(1, 3, 4, 2),), {"size": (5, 4), **_AVG_EDGE}),
            Sample((float32(1, 4, 3, 2),), {"size": (4, 6), **_AVG_COUNTED}),
        ],
    )
)


def _adaptive(size: Pair, out: Pair) -> Iterator[tuple[int, int, slice, slice]]:
    """Each output position and the rows and columns it averages."""
    for i in range(out[0]):
        for j in range(out[1]):
            rows = slice(i * size[0] // out[0], -(-(i + 1) * size[0] // out[0]))
            columns = slice(j * size[1] // out[1], -(-(j + 1) * size[1] // out[1]))
            yield i, j, rows, columns


def _eval_adaptive(x: np.ndarray, out: Pair) -> np.ndarray:
    y = np.empty((x.shape[0], *out, x.shape[3]), x.dtype)
    for i, j, rows, columns in _adaptive(x.shape[1:3], out):
        y[:, i, j] = x[:, rows, columns].mean((1, 2))
    return y


def _eval_adaptive_dx(g: np.ndarray, size: Pair) -> np.ndarray:
    dx = np.zeros((g.shape[0], *size, g.shape[3]), g.dtype)
    for i, j, rows, columns in _adaptive(size, g.shape[1:3]):
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        dx[:, rows, columns] += (g[:, i, j] / np.float32(area))[:, None, None]
    return dx


register(
    Op(
        "adaptive_avg_pool",
        ties=last_axis,
        infer=lambda x, out: x.with_shape((x.shape[0], *out, x.shape[3])),
        eval=_eval_adaptive,
        vjp=lambda n, g: [
            lambda: build("adaptive_avg_pool_dx", g, size=n.inputs[0].type.shape[1:3], label=n.name)
        ],
        call=lambda n: (*n.inputs[0].type.shape, *n.type.shape[1:3]),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 7, 3),), {"out": (2, 3)}),
            Sample((float32(1, 3, 5, 2),), {"out": (4, 1)}),
        ],
    )
)

register(
    Op(
        "adaptive_avg_pool_dx",
        infer=lambda g, size: g.with_shape((g.shape[0], *size, g.shape[3])),
        eval=_eval_adaptive_dx,
        call=lambda n: (*n.type.shape, *n.inputs[0].type.shape[1:3]),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 2, 3, 3),), {"size": (5, 7)}),
            Sample((float32(1, 4, 1, 2),), {"size": (3, 5)}),
        ],
    )
)
