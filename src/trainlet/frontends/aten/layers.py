"""Convolutions and linear layers."""

from __future__ import annotations

from collections.abc import Sequence

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.bands import bands
from trainlet.frontends.aten.elementwise import scaled
from trainlet.frontends.aten.table import aten
from trainlet.frontends.aten.windows import Pads, Pair, pads, spatial
from trainlet.frontends.importer import Importer, number
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
    size, step, reach = (spatial(x, v) for v in (w.type.shape[2:], stride, dilation))
    return convolved(at, x, w, b, step, pads(x, padding, size, reach), reach, groups)


def convolved(
    at: Importer, x: Node, w: Node, b: Node | None, step: Pair, border: Pads, reach: Pair,
    groups: int,
) -> Node:  # fmt: skip
    """A convolution of [N,C,H,W] with [O,C/groups,KH,KW], or of sequences without H and KH.

    border: (top, left, bottom, right)
    """
    outputs, inputs, *kernel = w.type.shape
    size = spatial(x, kernel)
    attrs = {"stride": step, "padding": border, "dilation": reach}
    spots = range(2, w.type.rank)
    bias = () if b is None else (b,)
    if inputs == 1 and groups == outputs == x.type.shape[1]:
        weight = at.reshape(at.permute(w, *spots, 1, 0), (*size, outputs))
        return at.channels_last("depthwise", x, weight, *bias, **attrs)
    weight = at.reshape(at.permute(w, 0, *spots, 1), (outputs, *size, inputs))
    return at.channels_last("conv2d", x, weight, *bias, **attrs, groups=groups)


@aten("conv_transpose2d", "conv_transpose1d")
def _conv_transpose(
    at: Importer,
    x: Node,
    w: Node,
    b: Node | None,
    stride: Sequence[int],
    padding: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
    dilation: Sequence[int],
) -> Node:
    given = (stride, padding, output_padding, groups, dilation)
    if x.type.rank == w.type.rank - 1:  # without a batch
        y = _conv_transpose(at, at.reshape(x, (1, *x.type.shape)), w, b, *given)
        return at.reshape(y, y.type.shape[1:])
    size, step, reach = (spatial(x, v) for v in (w.type.shape[2:], stride, dilation))
    border, more = spatial(x, padding, missing=0), spatial(x, output_padding, missing=0)
    if any(m >= s for m, s in zip(more, step, strict=True)):
        raise UnsupportedError(
            f"output_padding {list(output_padding)} of stride {list(stride)}; allowed: less than "
            "the stride"
        )
    before = x.type.shape[2:] if x.type.rank == 4 else (1, x.type.shape[2])
    height, width = (
        (n - 1) * s - 2 * p + d * (k - 1) + m + 1
        for n, s, p, d, k, m in zip(before, step, border, reach, size, more, strict=True)
    )
    return transposed(at, x, w, b, step, (*border, *border), reach, groups, (height, width))


def transposed(
    at: Importer, x: Node, w: Node, b: Node | None, step: Pair, border: Pads, reach: Pair,
    groups: int, after: Pair,
) -> Node:  # fmt: skip
    """A transposed convolution of [N,C,H,W] with [C,O/groups,KH,KW] to maps of the size `after`, or
    of sequences without H and KH.

    border: (top, left, bottom, right), of the convolution that goes the other way
    """
    inputs, outputs, *kernel = w.type.shape
    spots = range(2, w.type.rank)
    if groups == 1:
        weight = at.permute(w, 1, *spots, 0)
    else:
        split = at.reshape(w, (groups, inputs // groups, outputs, *kernel))
        weight = at.permute(split, 0, 2, *(k + 1 for k in spots), 1)
    weight = at.reshape(weight, (groups * outputs, *spatial(x, kernel), inputs // groups))
    bias = () if b is None else (b,)
    attrs = {"stride": step, "padding": border, "dilation": reach, "groups": groups}
    return at.channels_last("conv_transpose", x, weight, *bias, size=after, **attrs)


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
    if w.type.rank not in (3, 4):
        raise UnsupportedError(
            f"a convolution over {w.type.rank - 2} dimensions by the operator 'convolution'; "
            "allowed: 1, 2; nn.Conv3d is known"
        )
    if transposed:
        return _conv_transpose(at, x, w, b, stride, padding, output_padding, groups, dilation)
    return _conv(at, x, w, b, stride, padding, dilation, groups)


@aten("linear")
def _linear(at: Importer, x: Node, w: Node, b: Node | None = None) -> Node:
    banded = bands(at, x, w) if b is None else None
    return banded or at.build("linear", x, w, *([] if b is None else [b]))


@aten("addmm")
def _addmm(at: Importer, b: Node, x: Node, w: Node, beta: float, alpha: float) -> Node:
    if (beta, alpha) == (1, 1) and b.type.rank == 1:
        return _linear(at, x, at.permute(w, 1, 0), b)
    product = scaled(at, at.build("matmul", x, w), number(alpha, "alpha"))
    return at.build("add", scaled(at, b, number(beta, "beta")), product)
