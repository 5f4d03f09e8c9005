"""Slices by an index, and weighted sums of such slices, with their gradients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, emits, shape
from trainlet.ir.graph import Node

INT64 = 7


def _parts(at: Emitter, n: Node, index: str) -> list[str]:
    """The index along each axis."""
    many = n.attrs["many"]
    if len(many) == 1:
        return [index]
    ends = np.cumsum((0, *many)).tolist()
    return [at.op("Slice", index, at.ints((a,)), at.ints((b,)), at.ints((0,)))
            for a, b in pairwise(ends)]  # fmt: skip


@emits("gather")
def _gather(at: Emitter, n: Node, x: str, index: str) -> str:
    for axis, part in zip(n.attrs["axes"], _parts(at, n, index), strict=True):
        x = at.op("Gather", x, part, axis=axis)
    return x


@emits("scatter")
def _scatter(at: Emitter, n: Node, g: str, index: str) -> str:
    """Axis by axis: the slices are added to zeros."""
    now = list(shape(n, 0))
    spots = zip(n.attrs["axes"], n.attrs["sizes"], _parts(at, n, index), strict=True)
    for axis, size, part in spots:
        g, now[axis] = _added(at, g, part, axis, now, size), size
    return g


def _added(at: Emitter, g: str, index: str, axis: int, sizes: list[int], size: int) -> str:
    """Slice k of g along the axis is added to slice index[k] of `size` slices of zeros."""
    order = [axis, *(k for k in range(len(sizes)) if k != axis)]
    moved, rest = at.transpose(g, *order), [m for k, m in enumerate(sizes) if k != axis]
    zeros = at.op("ConstantOfShape", at.ints((size, *rest)))
    rows = at.reshape(at.op("Cast", index, to=INT64), (-1, 1))
    made = at.op("ScatterND", zeros, rows, moved, reduction="add")
    return at.transpose(made, *np.argsort(order).tolist())


@emits("interleave")
def _interleave(at: Emitter, n: Node, a: str, b: str, index: str) -> str:
    axis = n.attrs["axis"]
    return at.op("Gather", at.op("Concat", a, b, axis=axis), index, axis=axis)


def _tap(at: Emitter, n: Node, vector: str, t: int) -> str:
    """Element t of each slice's taps."""
    return at.op("Slice", vector, at.ints((t,)), at.ints((shape(n, 1)[0],)), at.ints((0,)),
                 at.ints((n.attrs["taps"],)))  # fmt: skip


def _along(at: Emitter, n: Node, weight: str) -> str:
    view = [-1 if k == n.attrs["axis"] else 1 for k in range(n.type.rank)]
    return at.reshape(weight, view)


@emits("resample")
def _resample(at: Emitter, n: Node, x: str, index: str, weight: str) -> str:
    terms = [
        at.op("Mul", at.op("Gather", x, _tap(at, n, index, t), axis=n.attrs["axis"]),
              _along(at, n, _tap(at, n, weight, t)))
        for t in range(n.attrs["taps"])
    ]  # fmt: skip
    return at.op("Sum", *terms)


@emits("resample_dx")
def _resample_dx(at: Emitter, n: Node, g: str, index: str, weight: str) -> str:
    axis, sizes = n.attrs["axis"], list(shape(n, 0))
    terms = [
        _added(at, at.op("Mul", g, _along(at, n, _tap(at, n, weight, t))),
               _tap(at, n, index, t), axis, sizes, n.attrs["size"])
        for t in range(n.attrs["taps"])
    ]  # fmt: skip
    return at.op("Sum", *terms)
