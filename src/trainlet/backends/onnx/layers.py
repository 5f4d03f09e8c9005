"""Convolutions, products, normalisations and softmax, with their gradients."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, emits, shape
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS


def _window(n: Node) -> dict[str, Any]:
    names = {"stride": "strides", "padding": "pads", "dilation": "dilations"}
    return {onnx: list(n.attrs[ours]) for ours, onnx in names.items()}


@emits("conv2d")
def _conv(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    weight = at.map(w)
    return at.last(at.op("Conv", at.map(x), weight, *bias, group=n.attrs["groups"], **_window(n)))


@emits("depthwise")
def _depthwise(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    channels = n.type.shape[3]
    return at.last(
        at.op("Conv", at.map(x), _taps(at, n, w, 1), *bias, group=channels, **_window(n))
    )


def _taps(at: Emitter, n: Node, w: str, position: int) -> str:
    """A depthwise weight [KH,KW,C] as [C,1,KH,KW]."""
    height, width, channels = shape(n, position)
    return at.reshape(at.transpose(w, 2, 0, 1), (channels, 1, height, width))


def _spread(at: Emitter, n: Node, g: str, w: str, kernel: tuple[int, ...], groups: int) -> str:
    """A transposed convolution to maps of the node's size."""
    small = shape(n, 0)[1:3]
    spots = zip(n.attrs["size"], small, n.attrs["stride"], n.attrs["padding"][:2],
                n.attrs["padding"][2:], n.attrs["dilation"], kernel, strict=True)  # fmt: skip
    more = [m - ((k - 1) * s - a - b + d * (t - 1) + 1) for m, k, s, a, b, d, t in spots]
    made = at.op("ConvTranspose", at.map(g), w, group=groups, output_padding=more, **_window(n))
    return at.last(made)


@emits("conv2d_dx")
def _conv_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    return _spread(at, n, g, at.map(w), shape(n, 1)[1:3], n.attrs["groups"])


@emits("depthwise_dx")
def _depthwise_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    return _spread(at, n, g, _taps(at, n, w, 1), shape(n, 1)[:2], n.type.shape[3])


def _correlated(at: Emitter, n: Node, x: str, g: str, groups: int) -> str:
    """Maps x with the kernels g: what is a stride in the layer is a dilation here."""
    made = at.op(
        "Conv", x, g, group=groups, strides=list(n.attrs["dilation"]),
        dilations=list(n.attrs["stride"]), pads=list(n.attrs["padding"]),
    )  # fmt: skip
    height, width = n.attrs["kernel"]
    return at.op("Slice", made, at.ints((0, 0)), at.ints((height, width)), at.ints((2, 3)))


@emits("conv2d_dw")
def _conv_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    """[O,KH,KW,C]: batch and channels change places, so the batch is summed over."""
    groups = n.attrs["groups"]
    maps, kernels = at.transpose(x, 3, 0, 1, 2), at.transpose(g, 3, 0, 1, 2)
    if groups == 1:
        return at.transpose(_correlated(at, n, maps, kernels, 1), 1, 2, 3, 0)
    sizes = shape(n, 1)[3] // groups, shape(n, 0)[3] // groups
    each = []
    for k in range(groups):
        own = [at.op("Slice", v, at.ints((k * m,)), at.ints(((k + 1) * m,)), at.ints((0,)))
               for v, m in zip((maps, kernels), sizes, strict=True)]  # fmt: skip
        each.append(at.transpose(_correlated(at, n, own[0], own[1], 1), 1, 2, 3, 0))
    return at.op("Concat", *each, axis=0)


@emits("depthwise_dw")
def _depthwise_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    """[KH,KW,C]: each channel of each example by itself, then the sum over examples."""
    (count, height, width, channels), (_, rows, columns, _) = shape(n, 1), shape(n, 0)
    maps = at.reshape(at.map(x), (1, count * channels, height, width))
    kernels = at.reshape(at.map(g), (count * channels, 1, rows, columns))
    made = _correlated(at, n, maps, kernels, count * channels)
    each = at.reshape(made, (count, channels, *n.attrs["kernel"]))
    return at.transpose(at.op("ReduceSum", each, at.ints((0,)), keepdims=0), 1, 2, 0)


@emits("linear")
def _linear(at: Emitter, n: Node, x: str, w: str, *bias: str) -> str:
    if n.type.rank == 2:
        return at.op("Gemm", x, w, *bias, transB=1)
    y = at.op("MatMul", x, at.transpose(w, 1, 0))
    return at.op("Add", y, *bias) if bias else y


@emits("linear_dx")
def _linear_dx(at: Emitter, n: Node, g: str, w: str) -> str:
    return at.op("MatMul", g, w)


@emits("linear_dw")
def _linear_dw(at: Emitter, n: Node, g: str, x: str) -> str:
    flat = [at.reshape(v, (-1, shape(n, k)[-1])) for k, v in enumerate((g, x))]
    return at.op("Gemm", *flat, transA=1)


@emits("matmul")
def _matmul(at: Emitter, n: Node, a: str, b: str) -> str:
    def turned(x: str, position: int, turn: bool) -> str:
        rank = len(shape(n, position))
        return at.transpose(x, *range(rank - 2), rank - 1, rank - 2) if turn else x

    return at.op("MatMul", turned(a, 0, n.attrs.get("ta", False)),
                 turned(b, 1, n.attrs.get("tb", False)))  # fmt: skip


@emits("softmax")
def _softmax(at: Emitter, n: Node, x: str) -> str:
    return at.op("Softmax", x, axis=-1)


@emits("softmax_dx")
def _softmax_dx(at: Emitter, n: Node, g: str, y: str) -> str:
    along = at.op("ReduceSum", at.op("Mul", g, y), at.ints((-1,)), keepdims=1)
    return at.op("Mul", y, at.op("Sub", g, along))


@emits("log_softmax")
def _log_softmax(at: Emitter, n: Node, x: str) -> str:
    return at.op("LogSoftmax", x, axis=-1)


def _mean(at: Emitter, x: str) -> str:
    return at.op("ReduceMean", x, at.ints((1, 3)), keepdims=1)


def _rstd(at: Emitter, n: Node, v: str) -> str:
    apart = at.op("Sub", v, _mean(at, v))
    variance = _mean(at, at.op("Mul", apart, apart))
    return at.op("Reciprocal", at.op("Sqrt", at.op("Add", variance, at.number(n.attrs["eps"]))))


@emits("normalize")
def _normalize(at: Emitter, n: Node, x: str) -> str:
    v = at.reshape(x, n.attrs["view"])
    centred = at.op("Sub", v, _mean(at, v))
    return at.reshape(at.op("Mul", centred, _rstd(at, n, v)), n.type.shape)


@emits("normalize_rstd")
def _normalize_rstd(at: Emitter, n: Node, x: str) -> str:
    return at.reshape(_rstd(at, n, at.reshape(x, n.attrs["view"])), n.type.shape)


@emits("normalize_dx")
def _normalize_dx(at: Emitter, n: Node, g: str, xhat: str, rstd: str) -> str:
    view = n.attrs["view"]
    gv, xv = at.reshape(g, view), at.reshape(xhat, view)
    along = at.op("Mul", xv, _mean(at, at.op("Mul", gv, xv)))
    centred = at.op("Sub", at.op("Sub", gv, _mean(at, gv)), along)
    spread = at.reshape(rstd, (view[0], 1, view[2], 1))
    return at.reshape(at.op("Mul", centred, spread), n.type.shape)


@emits("batch_norm")
def _batch_norm(at: Emitter, n: Node, x: str, *vectors: str) -> str:
    """(x factor + term) gamma + beta along an axis."""
    rank, axis = n.type.rank, n.attrs["axis"]
    view = [-1 if k == axis % rank else 1 for k in range(rank)]
    gamma, beta, factor, term = (at.reshape(v, view) for v in vectors)
    y = at.op("Add", at.op("Mul", x, factor), term)
    return at.op("Add", at.op("Mul", y, gamma), beta)


@emits("avg_pool")
def _avg_pool(at: Emitter, n: Node, x: str) -> str:
    made = at.op(
        "AveragePool", at.map(x), kernel_shape=list(n.attrs["kernel"]),
        strides=list(n.attrs["stride"]), pads=list(n.attrs["padding"]),
        count_include_pad=int(n.attrs["count_padding"]),
    )  # fmt: skip
    return at.last(made)


@emits("avg_pool_dx")
def _avg_pool_dx(at: Emitter, n: Node, g: str) -> str:
    """A transposed convolution of each channel with equal weights."""
    window = {k: n.attrs[k] for k in ("kernel", "stride", "padding")}
    if not n.attrs["count_padding"]:
        ones = np.ones((1, *n.attrs["size"], 1), np.float32)
        inside = OPS["avg_pool"].eval(ones, count_padding=True, **window)
        g = at.op("Div", g, at.constant(inside.astype(np.float32)))
    channels, kernel = n.type.shape[3], n.attrs["kernel"]
    taps = at.constant(np.full((channels, 1, *kernel), 1 / prod(kernel), np.float32))
    whole = Node(n.op, n.inputs, n.type, {**n.attrs, "dilation": (1, 1)}, n.name)
    return _spread(at, whole, g, taps, kernel, channels)


def _pooled(at: Emitter, n: Node, x: str, outputs: int) -> str:
    return at.op("MaxPool", at.map(x), outputs=outputs, kernel_shape=list(n.attrs["kernel"]),
                 **_window(n))  # fmt: skip


@emits("max_pool")
def _max_pool(at: Emitter, n: Node, x: str) -> str:
    return at.last(_pooled(at, n, x, 1))


@emits("max_pool_winner")
def _max_pool_winner(at: Emitter, n: Node, x: str) -> str:
    """Where each winner stands among all elements of the maps, channels first."""
    return _pooled(at, n, x, 2)


@emits("max_pool_dx")
def _max_pool_dx(at: Emitter, n: Node, g: str, winner: str) -> str:
    count, height, width, channels = n.type.shape
    zeros = at.op("ConstantOfShape", at.ints((n.type.size,)))
    flat = at.reshape(winner, (-1,)), at.reshape(at.map(g), (-1,))
    made = at.op("ScatterElements", zeros, *flat, axis=0, reduction="add")
    return at.last(at.reshape(made, (count, channels, height, width)))
