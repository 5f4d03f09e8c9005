"""Depthwise convolution, channels last: one kernel a channel, w [KH,KW,C]; and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.conv import Pair, Quad, pad_map, taps, window_output
from trainlet.ops.op import ANOTHER_ORDER, Op, Sample, Thunk, build, float32, register, require
from trainlet.ops.rows import depthwise_dx_rows, depthwise_rows
from trainlet.ops.shape import leading


def _infer(
    x: TensorType,
    w: TensorType,
    b: TensorType | None = None,
    *,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
) -> TensorType:
    require(
        x.rank == 4 and w.rank == 3 and x.shape[3] == w.shape[2],
        f"input {x} and weight {w} must have the same channels",
    )
    require(b is None or b.shape == x.shape[3:], f"bias {b} must be [{x.shape[3]}]")
    kernel = (w.shape[0], w.shape[1])
    size = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    return x.with_shape((x.shape[0], *size, x.shape[3]))


def _eval(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
) -> np.ndarray:
    kernel = (w.shape[0], w.shape[1])
    out = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    padded = pad_map(x, padding)
    y = np.zeros((x.shape[0], *out, x.shape[3]), x.dtype)
    for ky, kx, part in taps(kernel, out, stride, dilation):
        y += padded[part] * w[ky, kx]
    return y if b is None else y + b


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, *bias = n.inputs
    rules: list[Thunk | None] = [
        lambda: build("depthwise_dx", g, w, size=x.type.shape[1:3], label=n.name, **n.attrs),
        lambda: build("depthwise_dw", g, x, kernel=w.type.shape[:2], label=n.name, **n.attrs),
    ]
    if bias:
        rules.append(lambda: build("sum_to", g, shape=bias[0].type.shape, label=n.name))
    return rules


def _literals(x: TensorType, w: TensorType, y: TensorType, attrs: Any) -> tuple[int, ...]:
    """N H W C, OH OW, KH KW, strides, top and left padding, dilations."""
    return (
        *x.shape,
        *y.shape[1:3],
        *w.shape[:2],
        *attrs["stride"],
        *attrs["padding"][:2],
        *attrs["dilation"],
    )


def _macs(y: TensorType, w: TensorType) -> int:
    return y.size * w.shape[0] * w.shape[1]


_PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1)}
_ODD = {"stride": (2, 2), "padding": (2, 3, 3, 2), "dilation": (1, 2)}

register(
    Op(
        "depthwise",
        rows=depthwise_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=lambda n: _literals(n.inputs[0].type, n.inputs[1].type, n.type, n.attrs),
        pointers=3,
        macs=lambda n: _macs(n.type, n.inputs[1].type),
        channel_axis=2,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(3, 3, 3), float32(3)), _PLAIN),
            Sample((float32(1, 8, 9, 2), float32(5, 3, 2)), _ODD),
        ],
    )
)


def _infer_dx(
    g: TensorType, w: TensorType, *, size: Pair, stride: Pair, padding: Quad, dilation: Pair
) -> TensorType:
    return g.with_shape((g.shape[0], *size, g.shape[3]))


def _eval_dx(
    g: np.ndarray, w: np.ndarray, *, size: Pair, stride: Pair, padding: Quad, dilation: Pair
) -> np.ndarray:
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, g.shape[3])
    padded = np.zeros(shape, g.dtype)
    for ky, kx, part in taps((w.shape[0], w.shape[1]), g.shape[1:3], stride, dilation):
        padded[part] += g * w[ky, kx]
    return padded[:, top : top + size[0], left : left + size[1]]


register(
    Op(
        "depthwise_dx",
        rows=depthwise_dx_rows,
        infer=_infer_dx,
        eval=_eval_dx,
        call=lambda n: _literals(n.type, n.inputs[1].type, n.inputs[0].type, n.attrs),
        macs=lambda n: _macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(3, 3, 3)), {"size": (5, 4), **_PLAIN}),
            Sample((float32(1, 5, 5, 2), float32(5, 3, 2)), {"size": (8, 9), **_ODD}),
        ],
    )
)


def _infer_dw(
    g: TensorType, x: TensorType, *, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair
) -> TensorType:
    require(g.shape[3] == x.shape[3], f"gradient {g} and input {x} must have the same channels")
    return g.with_shape((*kernel, g.shape[3]))


def _eval_dw(
    g: np.ndarray, x: np.ndarray, *, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair
) -> np.ndarray:
    padded = pad_map(x, padding)
    dw = np.zeros((*kernel, g.shape[3]), x.dtype)
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[ky, kx] = (g * padded[part]).sum((0, 1, 2))
    return dw


register(
    Op(
        "depthwise_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=lambda n, ratio: build(
            "depthwise_dw", *(leading(t, ratio) for t in n.inputs), label=n.name, **n.attrs
        ),
        call=lambda n: _literals(n.inputs[1].type, n.type, n.inputs[0].type, n.attrs),
        macs=lambda n: _macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(2, 5, 4, 3)), {"kernel": (3, 3), **_PLAIN}),
            Sample((float32(1, 5, 5, 2), float32(1, 8, 9, 2)), {"kernel": (5, 3), **_ODD}),
        ],
    )
)
