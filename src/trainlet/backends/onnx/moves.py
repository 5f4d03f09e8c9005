"""Shapes, sums, masks and updates."""

from __future__ import annotations

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, Order, emits, shape
from trainlet.ir.graph import Node

FLOAT = 1


@emits("reshape")
def _reshape(at: Emitter, n: Node, x: str) -> str:
    return at.reshape(x, n.type.shape)


@emits("permute")
def _permute(at: Emitter, n: Node, x: str) -> str:
    """What `Values` does without an operator, where the order of the axes may change."""
    return at.transpose(x, *n.attrs["permutation"])


@emits("detach", free=True)
def _detach(at: Emitter, n: Node, x: str) -> str:
    return x


@emits("slice", free=True)
def _slice(at: Emitter, n: Node, x: str) -> str:
    names = ("start", "stop", "axis")
    ends = [at.ints((n.attrs[k],)) for k in names]
    return at.op("Slice", x, *ends, at.ints((n.attrs.get("step", 1),)))


@emits("concat", free=True)
def _concat(at: Emitter, n: Node, *parts: str) -> str:
    return at.op("Concat", *parts, axis=n.attrs["axis"])


@emits("pad_strided", free=True)
def _pad_strided(at: Emitter, n: Node, x: str) -> str:
    """Zeros between the slices of x, and then before and behind them."""
    axis, step, before = n.attrs["axis"], n.attrs.get("step", 1), shape(n, 0)
    many = before[axis]
    if step > 1:
        apart = at.reshape(x, (*before[: axis + 1], 1, *before[axis + 1 :]))
        x = _padded(at, apart, len(before) + 1, axis + 1, 0, step - 1)
        many = (many - 1) * step + 1
        x = at.reshape(x, (*before[:axis], before[axis] * step, *before[axis + 1 :]))
        x = at.op("Slice", x, at.ints((0,)), at.ints((many,)), at.ints((axis,)))
    start = n.attrs["start"]
    return _padded(at, x, len(before), axis, start, n.type.shape[axis] - start - many)


def _padded(at: Emitter, x: str, rank: int, axis: int, first: int, last: int) -> str:
    pads = np.zeros((2, rank), np.int64)
    pads[:, axis] = first, last
    return at.op("Pad", x, at.ints(pads.reshape(-1).tolist())) if first or last else x


@emits("broadcast_to", free=True)
def _broadcast(at: Emitter, n: Node, x: str) -> str:
    return at.op("Expand", at.scaled(x, n.attrs.get("factor", 1.0)), at.ints(n.type.shape))


@emits("sum_to", reduces=True)
def _sum(at: Emitter, n: Node, order: Order, x: str, *before: str) -> str:
    y = at.scaled(at.total(x, shape(n, 0), n.type.shape, order), n.attrs.get("factor", 1.0))
    return at.op("Add", *before, y) if before else y


@emits("mul_sum", reduces=True)
def _mul_sum(at: Emitter, n: Node, order: Order, g: str, x: str) -> str:
    return at.total(at.op("Mul", g, x), shape(n, 0), n.type.shape, order)


def _mask(at: Emitter, inside: str) -> str:
    """Ones and zeros: the product with them is what a choice would be, and faster."""
    at.masks.append(inside)
    return at.op("Cast", inside, to=FLOAT)


@emits("relu_mask", free=True, mask=True)
def _relu_mask(at: Emitter, n: Node, y: str) -> str:
    return _mask(at, at.op("Greater", y, at.number(0)))


@emits("relu6_mask", "hard_sigmoid_mask", free=True, mask=True)
def _clipped_mask(at: Emitter, n: Node, y: str) -> str:
    top = 6 if n.op == "relu6_mask" else 1
    above, below = at.op("Greater", y, at.number(0)), at.op("Less", y, at.number(top))
    return _mask(at, at.op("And", above, below))


@emits("mask_dx", free=True)
def _mask_dx(at: Emitter, n: Node, g: str, mask: str) -> str:
    return at.op("Mul", at.scaled(g, n.attrs["slope"]), mask)


@emits("clip_mask", free=True, mask=True)
def _clip_mask(at: Emitter, n: Node, x: str) -> str:
    kinds = ("GreaterOrEqual", "LessOrEqual") if n.attrs["inclusive"] else ("Greater", "Less")
    above = at.op(kinds[0], x, at.number(n.attrs["low"]))
    return _mask(at, at.op("And", above, at.op(kinds[1], x, at.number(n.attrs["high"]))))


@emits("leaky_relu_dx", free=True)
def _leaky_dx(at: Emitter, n: Node, g: str, mask: str) -> str:
    slope = n.attrs["slope"]
    inside = at.scaled(mask, 1 - slope)
    return at.op("Mul", g, at.op("Add", inside, at.number(slope)))


@emits("max_to", reduces=True)
def _max_to(at: Emitter, n: Node, order: Order, x: str) -> str:
    return at.total(x, shape(n, 0), n.type.shape, order, "ReduceMax")


@emits("log_softmax_dx")
def _log_softmax_dx(at: Emitter, n: Node, g: str, y: str) -> str:
    along = at.op("ReduceSum", g, at.ints((-1,)), keepdims=1)
    return at.op("Sub", g, at.op("Mul", at.op("Exp", y), along))


def _subtracted(at: Emitter, n: Node, p: str, step: str) -> str:
    """A step may be narrower than its parameter; the rest stays."""
    for axis, (whole, part) in enumerate(zip(n.type.shape, shape(n, 1), strict=True)):
        step = _padded(at, step, n.type.rank, axis, 0, whole - part)
    return at.op("Sub", p, step)


@emits("sgd", free=True)
def _sgd(at: Emitter, n: Node, p: str, g: str, lr: str) -> str:
    return _subtracted(at, n, p, at.op("Mul", g, lr))


@emits("adam", free=True)
def _adam(at: Emitter, n: Node, p: str, m: str, v: str, power1: str, power2: str, lr: str) -> str:
    one = at.number(1)
    spread = at.op("Sqrt", at.op("Sub", one, power2))
    root = at.op("Add", at.op("Div", at.op("Sqrt", v), spread), at.number(n.attrs["eps"]))
    rate = at.op("Div", lr, at.op("Sub", one, power1))
    return _subtracted(at, n, p, at.op("Div", at.op("Mul", rate, m), root))


@emits("penalty_dw", free=True)
def _penalty_dw(at: Emitter, n: Node, g: str, w: str, *anchor: str) -> str:
    apart = at.op("Sub", w, *anchor) if anchor else w
    return at.op("Add", g, at.scaled(apart, n.attrs["factor"]))
