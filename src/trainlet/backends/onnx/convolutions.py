"""Convolutions and transposed convolutions of maps, with their gradients; channels come first."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.backends.onnx.emitter import MAPS, Emitter, emits, reordered, shape
from trainlet.ir.graph import Node


def window(n: Node) -> dict[str, Any]:
    """The attributes of a window by their names in ONNX."""
    names = {"stride": "strides", "padding": "pads", "dilation": "dilations"}
    return {onnx: list(n.attrs[ours]) for ours, onnx in names.items() if ours in n.attrs}


@emits("conv2d", inputs=(MAPS, MAPS), result=MAPS)
def _conv(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    return at.op("Conv", x, w, *bias, group=n.attrs["groups"], **window(n))


def spread(at: Emitter, n: Node, g: str, w: str, kernel: tuple[int, ...], groups: int) -> str:
    """A transposed convolution to maps of the node's size."""
    small, dilation = shape(n, 0)[1:3], n.attrs.get("dilation", (1, 1))
    spots = zip(n.attrs["size"], small, n.attrs["stride"], n.attrs["padding"][:2],
                n.attrs["padding"][2:], dilation, kernel, strict=True)  # fmt: skip
    more = [m - ((k - 1) * s - a - b + d * (t - 1) + 1) for m, k, s, a, b, d, t in spots]
    return at.op("ConvTranspose", g, w, group=groups, output_padding=more, **window(n))


def mirrored(n: Node, kernel: tuple[int, ...]) -> dict[str, Any] | None:
    """The window of a convolution of the gradient with the flipped weight, which makes the
    gradient of the input if no positions were skipped; None if some were, or too many were added.
    """
    if set(n.attrs["stride"]) != {1}:
        return None
    reach = [d * (k - 1) for d, k in zip(n.attrs["dilation"], kernel, strict=True)]
    pads = [r - p for r, p in zip(reach * 2, n.attrs["padding"], strict=True)]
    return {"pads": pads, "dilations": list(n.attrs["dilation"])} if min(pads) >= 0 else None


@emits("conv2d_dx", inputs=(MAPS, MAPS), result=MAPS)
def _conv_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    outputs, *kernel, own = shape(n, 1)
    groups, flipped = n.attrs["groups"], mirrored(n, tuple(kernel))
    if not flipped:
        return spread(at, n, g, w, tuple(kernel), groups)
    turned = _swapped(at, w, (outputs, own, *kernel), groups)
    if prod(kernel) > 1:
        turned = at.flipped(turned, 2, 3)
    return at.op("Conv", g, turned, group=groups, **flipped)


@emits("conv2d_dw", inputs=(MAPS, MAPS), result=MAPS)
def _conv_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    """[O,C/groups,KH,KW]: one product of the gradient and all that each kernel element meets."""
    count, rows, columns, outputs = shape(n, 0)
    inputs, groups, kernel = shape(n, 1)[3], n.attrs["groups"], n.attrs["kernel"]
    many = prod(kernel)
    if many > 1 or any(n.attrs["padding"]) or set(n.attrs["stride"]) != {1}:
        seen = Seen(at, n, x)
        parts = [seen.by(tap) for tap in np.ndindex(*kernel)]
        if many > 1:
            one = count, inputs, 1, rows * columns
            parts = [at.op("Concat", *(at.reshape(part, one) for part in parts), axis=2)]
        x = parts[0]
    wide = inputs // groups * many
    sizes = (count, groups, outputs // groups), (count, groups, wide)
    if groups == 1 and (count == 1 or outputs * wide > (outputs + wide) * rows * columns):
        left, right = (_joined(at, v, (count, many, rows * columns))
                       for v, many in ((g, outputs), (x, wide)))  # fmt: skip
        each = at.op("Gemm", left, right, transB=1)
    else:
        left, right = (at.reshape(v, (*own, rows * columns))
                       for v, own in zip((g, x), sizes, strict=True))  # fmt: skip
        each = at.op("MatMul", left, at.transpose(right, 0, 1, 3, 2))
        each = at.op("ReduceSum", each, at.ints((0,)), keepdims=0)
    return at.reshape(each, (outputs, inputs // groups, *kernel))


def _joined(at: Emitter, x: str, sizes: tuple[int, int, int]) -> str:
    """The maps of all images side by side, [C,N*H*W]."""
    count, channels, positions = sizes
    if count > 1:
        x = at.transpose(at.reshape(x, sizes), 1, 0, 2)
    return at.reshape(x, (channels, count * positions))


class Seen:
    """The part of the maps [N,C,H,W] that an element of a kernel meets.

    Maps are padded once.  With a stride of two or more in both directions, the positions that are
    a stride apart are put side by side first, for long steps in a slice are slow.
    """

    def __init__(self, at: Emitter, n: Node, x: str) -> None:
        self.at, self.stride, self.dilation = at, n.attrs["stride"], n.attrs["dilation"]
        height, width, self.channels = shape(n, 1)[1:]
        self.size = shape(n, 0)[1:3]
        top, left, bottom, right = n.attrs["padding"]
        step = self.stride[0]
        self.apart = step > 1 and step == self.stride[1] and prod(n.attrs["kernel"]) > 1
        if self.apart:
            bottom += -(height + top + bottom) % step
            right += -(width + left + right) % step
        pads = (0, 0, top, left, 0, 0, bottom, right)
        self.x = at.op("Pad", x, at.ints(pads)) if any(pads) else x
        if self.apart:
            self.x = at.op("SpaceToDepth", self.x, blocksize=step)

    def by(self, tap: tuple[int, ...]) -> str:
        """[N,C,OH,OW]"""
        at, spots = self.at, [d * k for d, k in zip(self.dilation, tap, strict=True)]
        if self.apart:
            step = self.stride[0]
            own = self.channels * (spots[0] % step * step + spots[1] % step)
            begin = own, spots[0] // step, spots[1] // step
            ends = [k + m for k, m in zip(begin, (self.channels, *self.size), strict=True)]
            return at.op("Slice", self.x, at.ints(begin), at.ints(ends), at.ints((1, 2, 3)))
        ends = [k + s * (m - 1) + 1
                for k, s, m in zip(spots, self.stride, self.size, strict=True)]  # fmt: skip
        steps = [] if set(self.stride) == {1} else [at.ints(self.stride)]
        return at.op("Slice", self.x, at.ints(spots), at.ints(ends), at.ints((2, 3)), *steps)


def _swapped(at: Emitter, w: str, sizes: tuple[int, ...], groups: int) -> str:
    """A weight [O,C/groups,KH,KW] as [C,O/groups,KH,KW]."""
    outputs, inputs, *kernel = sizes
    each = at.reshape(w, (groups, outputs // groups, inputs, *kernel))
    return at.reshape(at.transpose(each, 0, 2, 1, 3, 4), (-1, outputs // groups, *kernel))


def _sizes(weight: tuple[int, ...]) -> tuple[int, ...]:
    return reordered(weight, MAPS)


@emits("conv_transpose", inputs=(MAPS, MAPS), result=MAPS)
def _conv_transpose(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    weight, groups = shape(n, 1), n.attrs["groups"]
    y = spread(at, n, x, _swapped(at, w, _sizes(weight), groups), weight[1:3], groups)
    return at.op("Add", y, at.reshape(bias[0], (1, weight[0], 1, 1))) if bias else y


@emits("conv_transpose_dx", inputs=(MAPS, MAPS), result=MAPS)
def _conv_transpose_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    groups = n.attrs["groups"]
    weight = _swapped(at, w, _sizes(shape(n, 1)), groups)
    return at.op("Conv", g, weight, group=groups, **window(n))


@emits("conv_transpose_dw", inputs=(MAPS, MAPS), result=MAPS)
def _conv_transpose_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    """The weight's gradient of a convolution whose result's gradient is x."""
    turned = Node(n.op, (n.inputs[1], n.inputs[0]), n.type, n.attrs, n.name)
    groups, outputs = n.attrs["groups"], shape(n, 0)[3]
    made = shape(n, 1)[3], outputs // groups, *n.attrs["kernel"]
    return _swapped(at, _conv_dw(at, turned, x, g), made, groups)
