"""Grouped two-dimensional convolution, channels last, and its gradients.

x [N,H,W,C], w [O,KH,KW,C/groups], y [N,OH,OW,O]; padding is (top, left, bottom, right).
One-dimensional convolution is the same with H = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import (
    ANOTHER_ORDER,
    Op,
    Sample,
    Thunk,
    build,
    float32,
    kept,
    register,
    require,
)
from trainlet.ops.rows import conv_dx_rows, conv_rows
from trainlet.ops.shape import leading

Pair = tuple[int, int]
Quad = tuple[int, int, int, int]


def window_output(size: Pair, kernel: Pair, stride: Pair, padding: Quad, dilation: Pair) -> Pair:
    """Height and width of what a sliding window leaves of `size`."""
    padded = size[0] + padding[0] + padding[2], size[1] + padding[1] + padding[3]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    require(
        all(p >= r for p, r in zip(padded, reach, strict=True)),
        f"a {kernel[0]}x{kernel[1]} window does not fit a {padded[0]}x{padded[1]} padded map",
    )
    h, w = ((p - r) // s + 1 for p, r, s in zip(padded, reach, stride, strict=True))
    return h, w


def pad_map(x: np.ndarray, padding: Quad, value: float = 0) -> np.ndarray:
    """x [N,H,W,C] with a border."""
    top, left, bottom, right = padding
    width = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(x, width, constant_values=value)


def taps(
    kernel: Pair, out: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """For each kernel position, the slice of the padded map that it meets."""
    reach = [s * (n - 1) + 1 for s, n in zip(stride, out, strict=True)]
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y, x = ky * dilation[0], kx * dilation[1]
            rows, columns = slice(y, y + reach[0], stride[0]), slice(x, x + reach[1], stride[1])
            yield ky, kx, (slice(None), rows, columns)


def _infer(
    x: TensorType,
    w: TensorType,
    b: TensorType | None = None,
    *,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> TensorType:
    require(x.rank == 4 and w.rank == 4, f"input {x} and weight {w} must have four dimensions")
    channels, outputs = x.shape[3], w.shape[0]
    require(
        channels == w.shape[3] * groups and outputs % groups == 0,
        f"{channels} input and {outputs} output channels do not fit weight {w} in {groups} groups",
    )
    require(b is None or b.shape == (outputs,), f"bias {b} must be [{outputs}]")
    kernel = (w.shape[1], w.shape[2])
    size = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    return x.with_shape((x.shape[0], *size, outputs))


def _groups(array: np.ndarray, groups: int) -> np.ndarray:
    """Split the last axis into (groups, rest)."""
    return array.reshape(*array.shape[:-1], groups, -1)


def _eval(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    kernel = (w.shape[1], w.shape[2])
    out = window_output((x.shape[1], x.shape[2]), kernel, stride, padding, dilation)
    padded = _groups(pad_map(x, padding), groups)
    grouped = w.reshape(groups, -1, *w.shape[1:])
    y = np.zeros((x.shape[0], *out, groups, w.shape[0] // groups), x.dtype)
    for ky, kx, part in taps(kernel, out, stride, dilation):
        y += np.einsum("nhwgi,goi->nhwgo", padded[part], grouped[:, :, ky, kx], optimize=True)
    y = y.reshape(*y.shape[:3], -1)
    return y if b is None else y + b


def _vjp(n: Node, g: Node) -> list[Thunk | None]:
    x, w, *bias = n.inputs
    rules: list[Thunk | None] = [
        lambda: build("conv2d_dx", g, w, size=x.type.shape[1:3], label=n.name, **n.attrs),
        lambda: build("conv2d_dw", g, x, kernel=w.type.shape[1:3], label=n.name, **n.attrs),
    ]
    if bias:
        rules.append(lambda: build("sum_to", g, shape=bias[0].type.shape, label=n.name))
    return rules


def _literals(x: TensorType, w: TensorType, y: TensorType, attrs: Any) -> tuple[int, ...]:
    """N H W C, OH OW O, KH KW, strides, top and left padding, dilations, groups."""
    return (
        *x.shape,
        *y.shape[1:],
        *w.shape[1:3],
        *attrs["stride"],
        *attrs["padding"][:2],
        *attrs["dilation"],
        attrs["groups"],
    )


def _macs(y: TensorType, w: TensorType) -> int:
    return y.size * w.shape[1] * w.shape[2] * w.shape[3]


_PLAIN = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 1}
_ODD = {"stride": (2, 1), "padding": (0, 2, 1, 2), "dilation": (1, 2), "groups": 2}
_POINT = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}

register(
    Op(
        "conv2d",
        rows=conv_rows,
        infer=_infer,
        eval=_eval,
        vjp=_vjp,
        call=lambda n: _literals(n.inputs[0].type, n.inputs[1].type, n.type, n.attrs),
        pointers=3,
        macs=lambda n: _macs(n.type, n.inputs[1].type),
        channel_axis=0,
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 3), float32(4, 3, 3, 3), float32(4)), _PLAIN),
            Sample((float32(1, 7, 6, 4), float32(6, 3, 3, 2)), _ODD),
            Sample((float32(1, 3, 3, 5), float32(2, 1, 1, 5), float32(2)), _POINT),
        ],
    )
)


def _infer_dx(
    g: TensorType,
    w: TensorType,
    *,
    size: Pair,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> TensorType:
    return g.with_shape((g.shape[0], *size, w.shape[3] * groups))


def _eval_dx(
    g: np.ndarray,
    w: np.ndarray,
    *,
    size: Pair,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    top, left, bottom, right = padding
    shape = (g.shape[0], size[0] + top + bottom, size[1] + left + right, groups, w.shape[3])
    padded = np.zeros(shape, g.dtype)
    grouped, gradient = w.reshape(groups, -1, *w.shape[1:]), _groups(g, groups)
    for ky, kx, part in taps((w.shape[1], w.shape[2]), g.shape[1:3], stride, dilation):
        padded[part] += np.einsum(
            "nhwgo,goi->nhwgi", gradient, grouped[:, :, ky, kx], optimize=True
        )
    inside = padded[:, top : top + size[0], left : left + size[1]]
    return inside.reshape(*inside.shape[:3], -1)


register(
    Op(
        "conv2d_dx",
        rows=conv_dx_rows,
        infer=_infer_dx,
        eval=_eval_dx,
        call=lambda n: _literals(n.type, n.inputs[1].type, n.inputs[0].type, n.attrs),
        macs=lambda n: _macs(n.inputs[0].type, n.inputs[1].type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 4), float32(4, 3, 3, 3)), {"size": (5, 4), **_PLAIN}),
            Sample((float32(1, 3, 6, 6), float32(6, 3, 3, 2)), {"size": (7, 6), **_ODD}),
        ],
    )
)


def _infer_dw(
    g: TensorType,
    x: TensorType,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> TensorType:
    return g.with_shape((g.shape[3], *kernel, x.shape[3] // groups))


def _eval_dw(
    g: np.ndarray,
    x: np.ndarray,
    *,
    kernel: Pair,
    stride: Pair,
    padding: Quad,
    dilation: Pair,
    groups: int,
) -> np.ndarray:
    padded, gradient = _groups(pad_map(x, padding), groups), _groups(g, groups)
    dw = np.zeros((groups, g.shape[3] // groups, *kernel, x.shape[3] // groups), x.dtype)
    for ky, kx, part in taps(kernel, g.shape[1:3], stride, dilation):
        dw[:, :, ky, kx] = np.einsum("nhwgo,nhwgi->goi", gradient, padded[part], optimize=True)
    return dw.reshape(-1, *dw.shape[2:])


def _narrow(n: Node, ratio: float) -> Node:
    """The leading input channels; in a grouped convolution, the leading groups."""
    (g, x), groups = n.inputs, n.attrs["groups"]
    if groups == 1:
        return build("conv2d_dw", g, leading(x, ratio), label=n.name, **n.attrs)
    share = kept(groups, ratio)
    parts = [leading(t, share / groups) for t in (g, x)]
    return build("conv2d_dw", *parts, label=n.name, **{**n.attrs, "groups": share})


register(
    Op(
        "conv2d_dw",
        infer=_infer_dw,
        eval=_eval_dw,
        narrow=_narrow,
        call=lambda n: _literals(n.inputs[1].type, n.type, n.inputs[0].type, n.attrs),
        macs=lambda n: _macs(n.inputs[0].type, n.type),
        tolerance=ANOTHER_ORDER,
        samples=[
            Sample((float32(2, 5, 4, 4), float32(2, 5, 4, 3)), {"kernel": (3, 3), **_PLAIN}),
            Sample((float32(1, 3, 6, 6), float32(1, 7, 6, 4)), {"kernel": (3, 3), **_ODD}),
        ],
    )
)
