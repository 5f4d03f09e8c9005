"""Pools of maps, with their gradients; channels come first."""

from __future__ import annotations

from math import prod

import numpy as np

from trainlet.backends.onnx.convolutions import spread, window
from trainlet.backends.onnx.emitter import MAPS, Emitter, emits, shape
from trainlet.ir.graph import Node
from trainlet.ops.op import OPS


@emits("avg_pool", inputs=(MAPS,), result=MAPS)
def _avg_pool(at: Emitter, n: Node, x: str) -> str:
    return at.op("AveragePool", x, kernel_shape=list(n.attrs["kernel"]),
                 count_include_pad=int(n.attrs["count_padding"]), **window(n))  # fmt: skip


@emits("avg_pool_dx", inputs=(MAPS,), result=MAPS)
def _avg_pool_dx(at: Emitter, n: Node, g: str) -> str:
    """A transposed convolution of each channel with equal weights."""
    own = {k: n.attrs[k] for k in ("kernel", "stride", "padding")}
    if not n.attrs["count_padding"]:
        ones = np.ones((1, *n.attrs["size"], 1), np.float32)
        inside = OPS["avg_pool"].eval(ones, count_padding=True, **own).astype(np.float32)
        g = at.op("Div", g, at.constant(inside.transpose(MAPS)))
    channels, kernel = n.type.shape[3], n.attrs["kernel"]
    taps = at.constant(np.full((channels, 1, *kernel), 1 / prod(kernel), np.float32))
    return spread(at, n, g, taps, kernel, channels)


def _pooled(at: Emitter, n: Node, x: str, outputs: int) -> str:
    return at.op("MaxPool", x, outputs=outputs, kernel_shape=list(n.attrs["kernel"]),
                 **window(n))  # fmt: skip


@emits("max_pool", inputs=(MAPS,), result=MAPS)
def _max_pool(at: Emitter, n: Node, x: str) -> str:
    return _pooled(at, n, x, 1)


@emits("max_pool_winner", inputs=(MAPS,), result=MAPS)
def _max_pool_winner(at: Emitter, n: Node, x: str) -> str:
    """Where each winner stands among all elements of the maps, channels first."""
    return _pooled(at, n, x, 2)


@emits("max_pool_dx", inputs=(MAPS, MAPS), result=MAPS)
def _max_pool_dx(at: Emitter, n: Node, g: str, winner: str) -> str:
    count, height, width, channels = n.type.shape
    zeros = at.op("ConstantOfShape", at.ints((n.type.size,)))
    flat = at.reshape(winner, (-1,)), at.reshape(g, (-1,))
    made = at.op("ScatterElements", zeros, *flat, axis=0, reduction="add")
    return at.reshape(made, (count, channels, height, width))


def _means(size: int, out: int) -> np.ndarray:
    """[out, size]: each row averages the positions that an adaptive pool reads."""
    found = np.zeros((out, size), np.float32)
    for k in range(out):
        start, stop = k * size // out, -(-(k + 1) * size // out)
        found[k, start:stop] = 1 / (stop - start)
    return found


@emits("adaptive_avg_pool", inputs=(MAPS,), result=MAPS)
def _adaptive(at: Emitter, n: Node, x: str) -> str:
    """The mean over rows of the mean over columns."""
    rows, columns = map(_means, shape(n, 0)[1:3], n.attrs["out"])
    inner = at.op("MatMul", x, at.constant(columns.T))
    return at.op("MatMul", at.constant(rows), inner)


@emits("adaptive_avg_pool_dx", inputs=(MAPS,), result=MAPS)
def _adaptive_dx(at: Emitter, n: Node, g: str) -> str:
    rows, columns = map(_means, n.attrs["size"], shape(n, 0)[1:3])
    return at.op("MatMul", at.constant(rows.T), at.op("MatMul", g, at.constant(columns)))
