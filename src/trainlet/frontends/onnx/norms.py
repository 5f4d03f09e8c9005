"""Normalisations."""

from __future__ import annotations

from math import prod

from trainlet.errors import UnsupportedError
from trainlet.frontends.aten.functions import power
from trainlet.frontends.aten.reductions import reduced
from trainlet.frontends.onnx.builder import Builder
from trainlet.frontends.onnx.table import onnx
from trainlet.ir.graph import Node
from trainlet.ops.op import require


@onnx("BatchNormalization")
def _batch_norm(at: Builder) -> Node:
    old = at.model.opset < 7 and not at.attribute("is_test", 0)
    if old or at.attribute("training_mode", 0):
        raise UnsupportedError("training mode; allowed: with the running statistics")
    at.attribute("momentum", 0.9)
    if not at.attribute("spatial", 1):
        raise UnsupportedError("spatial=0; allowed: 1")
    centre, spread = (
        at.const(at.constant(k, what), f"{at.label}.{what}")
        for k, what in ((3, "mean"), (4, "variance"))
    )
    eps = at.attribute("epsilon", 1e-5)
    given = at.input(0), at.weight(1), at.weight(2), centre, spread
    return at.aten("batch_norm", *given, False, 0.0, eps)


@onnx("InstanceNormalization")
def _instance_norm(at: Builder) -> Node:
    x, eps = at.input(0), at.attribute("epsilon", 1e-5)
    return at.aten("group_norm", x, x.type.shape[1], at.weight(1), at.weight(2), eps)


@onnx("GroupNormalization")
def _group_norm(at: Builder) -> Node:
    """Before opset 21 scale and bias have an element for each group."""
    x, gamma, beta = at.input(0), at.weight(1), at.weight(2)
    groups, eps = at.attribute("num_groups", 1), at.attribute("epsilon", 1e-5)
    channels = x.type.shape[1]
    if at.model.opset < 21 and gamma is not None and beta is not None:
        gamma, beta = (_repeated(at, v, channels) for v in (gamma, beta))
    return at.aten("group_norm", x, groups, gamma, beta, eps)


def _repeated(at: Builder, x: Node, channels: int) -> Node:
    groups = x.type.size
    wide = at.build("broadcast_to", at.reshape(x, (groups, 1)), shape=(groups, channels // groups))
    return at.reshape(wide, (channels,))


@onnx("LayerNormalization")
def _layer_norm(at: Builder) -> list[Node]:
    """The result, and where the file asks for them the mean and the reciprocal of the spread."""
    x, eps = at.input(0), at.attribute("epsilon", 1e-5)
    axis = at.attribute("axis", -1) % x.type.rank
    y = at.aten("layer_norm", x, x.type.shape[axis:], at.weight(1), at.weight(2), eps)
    if len(at.operator.outputs) == 1:
        return [y]
    variance, centre = at.aten("var_mean", x, list(range(axis, x.type.rank)), 0, True)
    return [y, centre, at.build("rsqrt", at.build("offset", variance, term=eps))]


@onnx("RMSNormalization")
def _rms_norm(at: Builder) -> Node:
    x, eps = at.input(0), at.attribute("epsilon", 1e-5)
    axis = at.attribute("axis", -1) % x.type.rank
    return at.aten("rms_norm", x, x.type.shape[axis:], at.weight(1), eps)


@onnx("LRN")
def _local_response(at: Builder) -> Node:
    """x / (bias + alpha times the mean of the squares of neighbouring channels) ^ beta."""
    x, size = at.input(0), at.attribute("size", 1)
    alpha, beta = at.attribute("alpha", 1e-4), at.attribute("beta", 0.75)
    require(x.type.rank > 1 and size > 0, f"input {x.type}, size {size}")
    n, channels, *spots = x.type.shape
    squares = at.reshape(at.build("square", x), (n, 1, channels, prod(spots)))
    before = (size - 1) // 2
    window = {"kernel": (size, 1), "stride": (1, 1), "padding": (before, 0, size - 1 - before, 0)}
    means = at.channels_last("avg_pool", squares, **window, count_padding=True)
    base = at.aten("add", at.build("scale", means, factor=alpha), at.attribute("bias", 1.0))
    return at.build("mul", x, at.reshape(power(at, base, -beta), x.type.shape))


@onnx("LpNormalization")
def _lp_norm(at: Builder) -> Node:
    """Where the norm is zero, x is, and so is the result."""
    x, axis, order = at.input(0), at.attribute("axis", -1), at.attribute("p", 2)
    if order not in (1, 2):
        raise UnsupportedError(f"p={order}; allowed: 1, 2")
    sizes = at.build("abs", x) if order == 1 else at.build("square", x)
    total = reduced(at, "sum_to", sizes, axis, True)
    size = total if order == 1 else at.build("norm_sqrt", total)
    return at.build("div", x, at.build("add", size, at.aten("eq", size, 0.0)))
