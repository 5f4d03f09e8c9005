"""Grouped two-dimensional convolution, channels last, and its gradients.

x [N,H,W,C], w [O,KH,KW,C/groups], y [N,OH,OW,O].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.channels import chosen_channels, size_of
from trainlet.ops.correlate import correlate, correlate_dw, correlate_dx
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Chosen,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
)
from trainlet.ops.row_access import window_dx_rows, window_rows
from trainlet.ops.window import Geometry, Pair


def result_shape(x: TensorType, w: TensorType, geometry: Geometry) -> tuple[int, ...]:
    """Of a convolution, depthwise or not; raises ShapeError where x, w and geometry do not fit."""
    if geometry.groups is None:
        require(
            x.rank == 4 and w.rank == 3 and x.shape[3] == w.shape[2],
            f"input {x} and weight {w} must have the same channels",
        )
        return x.shape[0], *geometry.out(x.shape[1:3]), x.shape[3]
    require(x.rank == 4 and w.rank == 4, f"input {x} and weight {w} must have four dimensions")
    channels, outputs, groups = x.shape[3], w.shape[0], geometry.groups
    require(
        channels == w.shape[3] * groups and outputs % groups == 0,
        f"{channels} input and {outputs} output channels do not fit weight {w} in {groups} groups",
    )
    return x.shape[0], *geometry.out(x.shape[1:3]), outputs


def infer(x: TensorType, w: TensorType, b: TensorType | None = None, **window: Any) -> TensorType:
    """The type of the result of a convolution, depthwise or not."""
    shape = result_shape(x, w, Geometry.of_weight(w, **window))
    require(b is None or b.shape == shape[3:], f"bias {b} must be [{shape[3]}]")
    return x.with_shape(shape)


def convolve(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **window: Any
) -> np.ndarray:
    """The result of a convolution, depthwise or not."""
    y = correlate(x, w, Geometry.of_weight(w, **window))
    return y if b is None else y + b


def gradients(n: Node, g: Node) -> list[Thunk | None]:
    """The gradient rule of a convolution, depthwise or not."""
    x, w, *bias = n.inputs
    size, kernel = x.type.shape[1:3], Geometry.of(n).kernel
    rules: list[Thunk | None] = [
        lambda: build(f"{n.op}_dx", g, w, size=size, label=n.name, **n.attrs),
        lambda: build(f"{n.op}_dw", g, x, kernel=kernel, label=n.name, **n.attrs),
    ]
    if bias:
        rules.append(lambda: build("sum_to", g, shape=bias[0].type.shape, label=n.name))
    return rules


PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
ODD = {"stride": (2, 1), "padding": (0, 2, 1, 2), "dilation": (1, 2), "groups": 2}
POINT = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}

CONV2D = register(
    Op(
        "conv2d",
        rows=window_rows,
        infer=infer,
        eval=convolve,
        vjp=gradients,
        call=lambda n: Geometry.of(n).literals(n.inputs[0].type, n.type),
        pointers=3,
        macs=lambda n: Geometry.of(n).macs(n.type, n.inputs[1].type),
        channel_axis=0,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(4, 3, 3, 3), float32(4)), PLAIN),
            Sample((float32(1, 7, 6, 4), float32(6, 3, 3, 2)), ODD),
            Sample((float32(1, 3, 3, 5), float32(2, 1, 1, 5), float32(2)), POINT),
        ],
    )
)


def _infer_dx(g: TensorType, w: TensorType, *, size: Pair, groups: int, **_: Any) -> TensorType:
    return g.with_shape((g.shape[0], *size, w.shape[3] * groups))


register(
    Op(
        "conv2d_dx",
        rows=window_dx_rows,
        infer=_infer_dx,
        eval=lambda g, w, size, **window: correlate_dx(g, w, size, Geometry.of_weight(w, **window)),
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 4), float32(4, 3, 3, 3)), {"size": (5, 4), **PLAIN}),
            Sample((float32(1, 3, 6, 6), float32(6, 3, 3, 2)), {"size": (7, 6), **ODD}),
        ],
    )
)


def _infer_dw(g: TensorType, x: TensorType, *, kernel: Pair, groups: int, **_: Any) -> TensorType:
    return g.with_shape((g.shape[3], *kernel, x.shape[3] // groups))


def narrowed(n: Node, chosen: Chosen) -> Node:
    """The weight gradient n of the chosen input channels alone; in a grouped convolution, of the
    chosen groups."""
    (g, x), groups = n.inputs, n.attrs["groups"]
    if groups == 1:
        return build(n.op, g, chosen_channels(x, chosen), label=n.name, **n.attrs)
    parts = [chosen_channels(t, chosen, groups) for t in (g, x)]
    return build(n.op, *parts, label=n.name, **{**n.attrs, "groups": size_of(chosen, groups)})


register(
    Op(
        "conv2d_dw",
        infer=_infer_dw,
        eval=lambda g, x, **window: correlate_dw(g, x, Geometry(**window)),
        narrow=narrowed,
        call=lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
        macs=lambda n: Geometry.of(n).macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 4), float32(2, 5, 4, 3)), {"kernel": (3, 3), **PLAIN}),
            Sample((float32(1, 3, 6, 6), float32(1, 7, 6, 4)), {"kernel": (3, 3), **ODD}),
        ],
    )
)
