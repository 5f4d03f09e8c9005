"""Convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Sequence

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.table import aten
from trainlet.frontends.aten.windows import pads, spatial
from trainlet.frontends.importer import Importer
from trainlet.ir.graph import Node


@aten("conv2d", "conv1d")
def _conv(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: str | Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Node:
    if x.type.rank == w.type.rank - 1:  # without a batch
        y = _conv(at, at.reshape(x, (1, *x.type.shape)), w, b, stride, padding, dilation, groups)
        return at.reshape(y, y.type.shape[1:])
    outputs, inputs, *kernel = w.type.shape
    size, step, reach = (spatial(x, v) for v in (kernel, stride, dilation))
    border = pads(x, padding, size, reach)
    attrs = {"stride": step, "padding": border, "dilation": reach}
    spots = range(2, w.type.rank)
    bias = () if b is None else (b,)
    if inputs == 1 and groups == outputs == x.type.shape[1]:
        weight = at.reshape(at.permute(w, *spots, 1, 0), (*size, outputs))
        return at.channels_last("depthwise", x, weight, *bias, **attrs)
    weight = at.reshape(at.permute(w, 0, *spots, 1), (outputs, *size, inputs))
    return at.channels_last("conv2d", x, weight, *bias, **attrs, groups=groups)


@aten("convolution")
def _convolution(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Node:
    if transposed or any(output_padding):
        raise UnsupportedError("a transposed convolution; use a convolution and an upsampling")
    if w.type.rank not in (3, 4):
        raise UnsupportedError(f"a convolution over {w.type.rank - 2} dimensions; allowed: 1, 2")
    return _conv(at, x, w, b, stride, padding, dilation, groups)


@aten("linear")
def _linear(at: Importer, x: Node, w: Node, b: Node | None = None) -> Node:
    return at.build("linear", x, w, *([] if b is None else [b]))


@aten("addmm")
def _addmm(at: Importer, b: Node, x: Node, w: Node, beta: float, alpha: float) -> Node:
    if (beta, alpha) != (1, 1):
        raise UnsupportedError(f"beta={beta}, alpha={alpha}; allowed: 1, 1")
    return _linear(at, x, at.permute(w, 1, 0), b)
