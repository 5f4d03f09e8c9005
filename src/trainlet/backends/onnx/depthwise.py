"""Depthwise convolutions of maps, with their gradients; channels come first.

ONNX Runtime has fast kernels for constant depthwise weights only.  Where the weight is an input,
it runs a small product for each channel of each image, which is slow for small maps.  There, and
for the gradient of the weight, products with a matrix for each channel take less time.
"""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.backends.onnx.convolutions import Seen, mirrored, spread, window
from trainlet.backends.onnx.emitter import MAPS, TAPS, Emitter, emits, shape
from trainlet.ir.graph import Node

NARROW = 16
"""The gradient of a weight is computed from whole rows where those of the result are no longer."""
DENSE = {"one": 256, "several": 1024}
"""Up to so many elements a channel, of one image and of several, the matrix from all positions of
the input to all of the result takes less time than a convolution."""
CACHED = 1 << 17
"""Images with more elements than this are treated one by one, so that what is computed of one
stays in the cache."""


@emits("depthwise", inputs=(MAPS, TAPS), result=MAPS)
def _depthwise(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    """Of constants ONNX Runtime takes eight or sixteen channels at a time, unless the bias learns:
    then it is added afterwards."""
    group, kernel = n.type.shape[3], shape(n, 1)[:2]
    if w not in at.constants and _dense(n, shape(n, 0), n.type.shape):
        y = _product(at, n, x, _matrix(at, n, w, shape(n, 0), n.type.shape, kernel), n.type.shape)
        return at.op("Add", y, at.reshape(bias[0], (1, group, 1, 1))) if bias else y
    weight = _taps(at, n, w)
    if not bias or w not in at.constants or bias[0] in at.constants:
        return at.op("Conv", x, weight, *bias, group=group, **window(n))
    y = at.op("Conv", x, weight, group=group, **window(n))
    return at.op("Add", y, at.reshape(bias[0], (1, group, 1, 1)))


@emits("depthwise_dx", inputs=(MAPS, TAPS), result=MAPS)
def _depthwise_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    kernel, large = shape(n, 1)[:2], n.type.shape
    if w not in at.constants and _dense(n, large, shape(n, 0)):
        matrix = _matrix(at, n, w, large, shape(n, 0), kernel)
        return _product(at, n, g, at.transpose(matrix, 0, 2, 1), large)
    weight, flipped = _taps(at, n, w), mirrored(n, kernel)
    if not flipped:
        return spread(at, n, g, weight, kernel, large[3])
    return at.op("Conv", g, at.flipped(weight, 2, 3), group=large[3], **flipped)


@emits("depthwise_dw", inputs=(MAPS, MAPS), result=TAPS)
def _depthwise_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    """[C,KH,KW]"""
    small, large = shape(n, 0), shape(n, 1)
    if _dense(n, large, small):
        return _dw_dense(at, n, g, x)
    if small[2] <= NARROW:
        return _dw_rows(at, n, g, x)
    if small[0] == 1 or prod(large[1:]) <= CACHED:
        return _dw_taps(at, n, g, x)
    return _dw_images(at, n, g, x)


def _taps(at: Emitter, n: Node, w: str) -> str:
    """A depthwise weight [C,KH,KW] as [C,1,KH,KW]."""
    height, width, channels = shape(n, 1)
    return at.reshape(w, (channels, 1, height, width))


def _dense(n: Node, large: tuple[int, ...], small: tuple[int, ...]) -> bool:
    """Whether a matrix from all positions of an image of that size to all of the result pays."""
    return prod(large[1:3]) * prod(small[1:3]) <= DENSE["one" if large[0] == 1 else "several"]


def _meets(n: Node, size: int, out: int, taps: int, axis: int) -> np.ndarray:
    """[size, out, taps]: 1 where tap k of the result at position j reads position i."""
    step, before, apart = (n.attrs[k][axis] for k in ("stride", "padding", "dilation"))
    i, j, k = np.ogrid[:size, :out, :taps]
    return (i == j * step + k * apart - before).astype(np.float32)


def _all_meets(
    n: Node, large: tuple[int, ...], small: tuple[int, ...], kernel: tuple[int, ...]
) -> np.ndarray:
    """[H*W*OH*OW, KH*KW]: the same of both directions."""
    down, across = (_meets(n, large[1 + a], small[1 + a], kernel[a], a) for a in (0, 1))
    return np.einsum("hok,wpl->hwopkl", down, across).reshape(-1, prod(kernel))


def _matrix(
    at: Emitter, n: Node, w: str, large: tuple[int, ...], small: tuple[int, ...],
    kernel: tuple[int, ...],
) -> str:  # fmt: skip
    """[C,H*W,OH*OW]: the convolution of each channel as a matrix."""
    spots = at.constant(_all_meets(n, large, small, kernel).T)
    made = at.op("MatMul", at.reshape(w, (large[3], prod(kernel))), spots)
    return at.reshape(made, (large[3], prod(large[1:3]), prod(small[1:3])))


def _product(at: Emitter, n: Node, x: str, matrix: str, made: tuple[int, ...]) -> str:
    """Maps of the shape `made`, from x and a matrix for each channel."""
    count, height, width, channels = made
    rows = at.transpose(at.reshape(x, (count, channels, -1)), 1, 0, 2)
    y = at.transpose(at.op("MatMul", rows, matrix), 1, 0, 2)
    return at.reshape(y, (count, channels, height, width))


def _dw_dense(at: Emitter, n: Node, g: str, x: str) -> str:
    """From the product of each position of the input with each of the result."""
    (count, *_, channels), kernel = shape(n, 0), n.attrs["kernel"]
    left = at.transpose(at.reshape(x, (count, channels, -1)), 1, 2, 0)
    right = at.transpose(at.reshape(g, (count, channels, -1)), 1, 0, 2)
    each = at.reshape(at.op("MatMul", left, right), (channels, -1))
    spots = at.constant(_all_meets(n, shape(n, 1), shape(n, 0), kernel))
    return at.reshape(at.op("MatMul", each, spots), (channels, *kernel))


def _dw_rows(at: Emitter, n: Node, g: str, x: str) -> str:
    """From the product of each row of the result with each row of the input that it reads."""
    count, height, width, channels = shape(n, 0)
    tall, wide = shape(n, 1)[1:3]
    taps, across = n.attrs["kernel"]
    step, apart, (top, _, bottom, _) = (
        n.attrs["stride"][0], n.attrs["dilation"][0], n.attrs["padding"],
    )  # fmt: skip
    rows = at.transpose(at.reshape(x, (count, channels, tall, wide)), 1, 0, 2, 3)
    if top or bottom:
        rows = at.op("Pad", rows, at.ints((0, 0, top, 0, 0, 0, bottom, 0)))
    parts = [
        at.op("Slice", rows, at.ints((apart * k,)), at.ints((apart * k + step * (height - 1) + 1,)),
              at.ints((2,)), at.ints((step,)))
        for k in range(taps)
    ]  # fmt: skip
    seen = at.op("Concat", *parts, axis=3) if taps > 1 else parts[0]
    left = at.reshape(seen, (channels, count * height, taps * wide))
    right = at.reshape(at.transpose(g, 1, 0, 2, 3), (channels, count * height, width))
    each = at.op("MatMul", at.transpose(left, 0, 2, 1), right)
    spots = at.constant(_meets(n, wide, width, across, 1).reshape(wide * width, across))
    made = at.op("MatMul", at.reshape(each, (channels * taps, wide * width)), spots)
    return at.reshape(made, (channels, taps, across))


def _dw_taps(at: Emitter, n: Node, g: str, x: str) -> str:
    """The sum of a product for each element of the kernel, which is faster than a convolution with
    kernels as large as the maps."""
    (height, width), channels = n.attrs["kernel"], n.type.shape[2]
    seen = Seen(at, n, x)
    sums = [
        at.op("ReduceSum", at.op("Mul", seen.by(tap), g), at.ints((0, 2, 3)), keepdims=0)
        for tap in np.ndindex(height, width)
    ]
    made = at.reshape(at.op("Concat", *sums, axis=0), (height, width, channels))
    return at.transpose(made, *TAPS)


def _dw_images(at: Emitter, n: Node, g: str, x: str) -> str:
    """Image after image, as the state of a loop."""
    (height, width), channels = n.attrs["kernel"], n.type.shape[2]
    small, large = ((channels, *shape(n, k)[1:3]) for k in (0, 1))
    total, gradient, image = at.fresh(), at.fresh(), at.fresh()
    with at.body() as nodes:
        parts = at.reshape(gradient, (1, *small)), at.reshape(image, (1, *large))
        after = at.op("Add", total, _dw_taps(at, n, *parts))
    sizes = (channels, height, width), small, large
    ends = [at.onnx.helper.make_tensor_value_info(name, 1, size)
            for name, size in zip((total, gradient, image, after), (*sizes, sizes[0]),
                                  strict=True)]  # fmt: skip
    body = at.onnx.helper.make_graph(nodes, "image", ends[:3], ends[3:])
    zeros = at.constant(np.zeros(sizes[0], np.float32))
    return at.op("Scan", zeros, g, x, body=body, num_scan_inputs=2)
