"""Losses and penalties, with their gradients."""

from __future__ import annotations

import numpy as np

from trainlet.backends.onnx.emitter import Emitter, Order, emits, shape
from trainlet.ir.graph import Node

FLOAT, INT64 = 1, 7


@emits("bce_with_logits")
def _bce_with_logits(at: Emitter, n: Node, z: str, target: str) -> str:
    sizes = at.op("Softplus", at.op("Neg", at.op("Abs", z)))
    lines = at.op("Sub", at.op("Relu", z), at.op("Mul", z, target))
    return at.op("ReduceMean", at.op("Add", lines, sizes), keepdims=0)


@emits("bce_with_logits_dz")
def _bce_with_logits_dz(at: Emitter, n: Node, z: str, target: str, seed: str) -> str:
    return at.scaled(at.op("Sub", at.op("Sigmoid", z), target), 1 / n.type.size)


def _soft_target(at: Emitter, n: Node, label: str) -> str:
    classes, smoothing = shape(n, 0)[1], n.attrs.get("smoothing", 0)
    ends = np.array([smoothing / classes, 1 - smoothing + smoothing / classes], np.float32)
    label = at.op("Cast", label, to=INT64)  # for which ONNX Runtime has a kernel
    return at.op("OneHot", label, at.constant(np.array(classes, np.int64)), at.constant(ends),
                 axis=-1)  # fmt: skip


@emits("cross_entropy")
def _cross_entropy(at: Emitter, n: Node, z: str, label: str) -> str:
    product = at.op("Mul", _soft_target(at, n, label), at.op("LogSoftmax", z, axis=-1))
    return at.scaled(at.op("ReduceSum", product, keepdims=0), -1 / shape(n, 0)[0])


@emits("cross_entropy_dz")
def _cross_entropy_dz(at: Emitter, n: Node, z: str, label: str, seed: str) -> str:
    apart = at.op("Sub", at.op("Softmax", z, axis=-1), _soft_target(at, n, label))
    return at.scaled(apart, 1 / shape(n, 0)[0])


@emits("mse")
def _mse(at: Emitter, n: Node, z: str, target: str) -> str:
    apart = at.op("Sub", z, target)
    return at.op("ReduceMean", at.op("Mul", apart, apart), keepdims=0)


@emits("mse_dz")
def _mse_dz(at: Emitter, n: Node, z: str, target: str, seed: str) -> str:
    return at.scaled(at.op("Sub", z, target), 2 / n.type.size)


@emits("bce")
def _bce(at: Emitter, n: Node, p: str, target: str) -> str:
    """Logarithms are at least -100."""
    one, least = at.number(1), at.scalar(-100)
    inside = at.op("Mul", target, at.op("Clip", at.op("Log", p), least))
    outside = at.op("Clip", at.op("Log", at.op("Sub", one, p)), least)
    terms = at.op("Add", inside, at.op("Mul", at.op("Sub", one, target), outside))
    return at.op("Neg", at.op("ReduceMean", terms, keepdims=0))


@emits("bce_dz")
def _bce_dz(at: Emitter, n: Node, p: str, target: str, seed: str) -> str:
    spread = at.op("Mul", p, at.op("Sub", at.number(1), p))
    least = at.op("Clip", spread, at.scalar(1e-12))
    return at.scaled(at.op("Div", at.op("Sub", p, target), least), 1 / n.type.size)


def _own(at: Emitter, n: Node, label: str, weights: str) -> tuple[str, str]:
    """Each row's label and weight; of an ignored label the weight is 0."""
    label = at.op("Cast", label, to=INT64)
    ignored = at.op("Equal", label, at.constant(np.array(n.attrs["ignored"], np.int64)))
    own = at.op("Where", ignored, at.constant(np.array(0, np.int64)), label)
    kept = at.op("Cast", at.op("Not", ignored), to=FLOAT)
    return own, at.op("Mul", at.op("Gather", weights, own, axis=0), kept)


@emits("nll")
def _nll(at: Emitter, n: Node, z: str, label: str, weights: str) -> str:
    own, weight = _own(at, n, label, weights)
    rows = shape(n, 0)[0]
    picked = at.op("GatherElements", z, at.reshape(own, (rows, 1)), axis=1)
    terms = at.op("Mul", weight, at.reshape(picked, (rows,)))
    sums = [at.op("ReduceSum", v, keepdims=0) for v in (terms, weight)]
    return at.op("Neg", at.op("Div", *sums))


@emits("nll_dz")
def _nll_dz(at: Emitter, n: Node, z: str, label: str, weights: str, seed: str) -> str:
    own, weight = _own(at, n, label, weights)
    rows, classes = shape(n, 0)
    ends = at.constant(np.array([0, -1], np.float32))
    hot = at.op("OneHot", own, at.constant(np.array(classes, np.int64)), ends, axis=-1)
    share = at.op("Div", weight, at.op("ReduceSum", weight, keepdims=0))
    return at.op("Mul", hot, at.reshape(share, (rows, 1)))


@emits("distillation")
def _distillation(at: Emitter, n: Node, z: str, teacher: str) -> str:
    temperature = n.attrs["temperature"]
    own, wanted = (at.op("LogSoftmax", at.scaled(v, 1 / temperature), axis=-1)
                   for v in (z, teacher))  # fmt: skip
    terms = at.op("Mul", at.op("Exp", wanted), at.op("Sub", wanted, own))
    return at.scaled(at.op("ReduceSum", terms, keepdims=0), temperature**2 / shape(n, 0)[0])


@emits("distillation_dz")
def _distillation_dz(at: Emitter, n: Node, z: str, teacher: str, seed: str) -> str:
    temperature = n.attrs["temperature"]
    own, wanted = (at.op("Softmax", at.scaled(v, 1 / temperature), axis=-1)
                   for v in (z, teacher))  # fmt: skip
    return at.scaled(at.op("Sub", own, wanted), temperature / shape(n, 0)[0])


@emits("penalty", reduces=True)
def _penalty(at: Emitter, n: Node, order: Order, w: str, *anchor: str) -> str:
    apart = at.op("Sub", w, *anchor) if anchor else w
    total = at.op("ReduceSum", at.op("Mul", apart, apart), keepdims=0)
    return at.scaled(total, n.attrs["factor"] / 2)
