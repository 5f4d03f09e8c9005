"""Grouped two-dimensional transposed convolution, channels last, and its gradients.

x [N,H,W,C], w [O,KH,KW,C/groups], y [N,OH,OW,O]; the attribute `size` is (OH, OW).  y is what the
input gradient of a convolution of this geometry would be, from a result's gradient x, so the
gradients of a transposed convolution are a convolution and the weight gradient of one.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.errors import ShapeError
from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import narrowed
from trainlet.ops.correlate import correlate, correlate_dw, correlate_dx
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    register,
    require,
)
from trainlet.ops.window import Geometry, Pair


def swapped(w: np.ndarray, groups: int) -> np.ndarray:
    """The weight [O,KH,KW,C/groups] of the convolution whose input gradient this is, and back:
    [C,KH,KW,O/groups]."""
    outputs, height, width, inputs = w.shape
    split = w.reshape(groups, outputs // groups, height, width, inputs)
    return split.transpose(0, 4, 2, 3, 1).reshape(-1, height, width, outputs // groups)


def result_shape(x: TensorType, w: TensorType, size: Pair, geometry: Geometry) -> tuple[int, ...]:
    """Raises ShapeError where x, w and geometry do not fit."""
    require(x.rank == 4 and w.rank == 4, f"input {x} and weight {w} must have four dimensions")
    groups = geometry.groups or 1
    require(
        x.shape[3] == w.shape[3] * groups and w.shape[0] % groups == 0,
        f"{x.shape[3]} input and {w.shape[0]} output channels do not fit {w} in {groups} groups",
    )
    if geometry.out(size) != x.shape[1:3]:
        raise ShapeError(f"a result of {size} is not of input {x}, kernel {geometry.kernel}")
    return x.shape[0], *size, w.shape[0]


def infer(
    x: TensorType, w: TensorType, b: TensorType | None = None, *, size: Pair, **window: Any
) -> TensorType:
    shape = result_shape(x, w, size, Geometry.of_weight(w, **window))
    require(b is None or b.shape == shape[3:], f"bias {b} must be [{shape[3]}]")
    return x.with_shape(shape)


def transposed(x: np.ndarray, w: np.ndarray, *, size: Pair, **window: Any) -> np.ndarray:
    """The transposed convolution without bias."""
    geometry = Geometry.of_weight(w, **window)
    return correlate_dx(x, swapped(w, geometry.groups or 1), size, geometry)


def _evaluate(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **attrs: Any
) -> np.ndarray:
    y = transposed(x, w, **attrs)
    return y if b is None else y + b


def transposed_dx(g: np.ndarray, w: np.ndarray, **window: Any) -> np.ndarray:
    """The gradient of x from that of the result."""
    geometry = Geometry.of_weight(w, **window)
    return correlate(g, swapped(w, geometry.groups or 1), geometry)


def transposed_dw(g: np.ndarray, x: np.ndarray, **window: Any) -> np.ndarray:
    """The gradient of the weight from that of the result."""
    geometry = Geometry(**window)
    return swapped(correlate_dw(x, g, geometry), geometry.groups or 1)


def products(x: TensorType, w: TensorType) -> int:
    """Multiply-accumulates: each position of x is multiplied with the whole weight of its group."""
    return prod(x.shape[:3]) * w.size


def _gradients(n: Node, g: Node) -> list[Thunk | None]:
    (x, w, *bias), window = n.inputs, Geometry.of(n)
    rules: list[Thunk | None] = [
        lambda: build("conv_transpose_dx", g, w, label=n.name, **window.attrs),
        lambda: build(
            "conv_transpose_dw", g, x, kernel=window.kernel, label=n.name, **window.attrs
        ),
    ]
    if bias:
        rules.append(lambda: build("sum_to", g, shape=bias[0].type.shape, label=n.name))
    return rules


PLAIN = {"stride": (2, 2), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
ODD = {"stride": (2, 3), "padding": (1, 2, 1, 2), "dilation": (2, 1), "groups": 2}
SAMPLES: list[tuple[tuple[int, ...], tuple[int, ...], Pair, dict[str, Any]]] = [
    ((2, 3, 4, 3), (4, 2, 2, 3), (6, 8), PLAIN),
    ((1, 3, 4, 4), (6, 3, 3, 2), (8, 9), ODD),
]
"""Shapes of x and w, size, and geometry; the second has rows and columns beyond the last tap."""


def result(x: tuple[int, ...], w: tuple[int, ...], size: Pair) -> tuple[int, ...]:
    """The shape of a sample's result."""
    return x[0], *size, w[0]


register(
    Op(
        "conv_transpose",
        infer=infer,
        eval=_evaluate,
        vjp=_gradients,
        call=lambda n: Geometry.of(n).literals(n.inputs[0].type, n.type),
        pointers=3,
        macs=lambda n: products(n.inputs[0].type, n.inputs[1].type),
        channel_axis=0,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(*x), float32(*w), *bias), {"size": size, **window})
            for (x, w, size, window), bias in zip(SAMPLES, ((float32(4),), ()), strict=True)
        ],
    )
)


def infer_dx(g: TensorType, w: TensorType, *, groups: int, **window: Any) -> TensorType:
    """The type of the input's gradient."""
    geometry = Geometry.of_weight(w, groups=groups, **window)
    return g.with_shape((g.shape[0], *geometry.out(g.shape[1:3]), w.shape[3] * groups))


register(
    Op(
        "conv_transpose_dx",
        infer=infer_dx,
        eval=transposed_dx,
        call=lambda n: Geometry.of(n).literals(n.type, n.inputs[0].type),
        macs=lambda n: products(n.type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(*result(x, w, size)), float32(*w)), window)
            for x, w, size, window in SAMPLES
        ],
    )
)


def weight_shape(
    g: TensorType, x: TensorType, *, kernel: Pair, groups: int, **_: Any
) -> tuple[int, ...]:
    """The shape of the weight's gradient."""
    return g.shape[3], *kernel, x.shape[3] // groups


register(
    Op(
        "conv_transpose_dw",
        infer=lambda g, x, **attrs: g.with_shape(weight_shape(g, x, **attrs)),
        eval=transposed_dw,
        narrow=narrowed,
        call=lambda n: Geometry.of(n).literals(n.inputs[1].type, n.inputs[0].type),
        macs=lambda n: products(n.inputs[1].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(*result(x, w, size)), float32(*x)), {"kernel": w[1:3], **window})
            for x, w, size, window in SAMPLES
        ],
    )
)
