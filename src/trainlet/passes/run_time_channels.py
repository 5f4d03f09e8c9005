"""Weights of which the device itself chooses the input channels that learn.

The channels are data: a table in the state.  The whole weight lies in Flash, the slices that learn
in RAM, and where a layer reads the weight the slices are laid over it.  The other pass in this file
makes what the device chooses by: the Fisher information of each channel, or its squared gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from trainlet.errors import SchemeError, UnsupportedError
from trainlet.ir.graph import Graph, Node, users
from trainlet.ir.roles import LOSS, TABLE_OF, as_outputs, forward_part, predictions
from trainlet.ir.storage import Part
from trainlet.ops.op import OPS, build, float32, leaf, typed
from trainlet.ops.quantized.cast import dequantized
from trainlet.ops.quantized.gradient.block import exponent_of, is_block
from trainlet.ops.quantized.types import affine
from trainlet.ops.squares import can_square, squares
from trainlet.passes.channels import input_channels
from trainlet.passes.prune import narrowed_gradient
from trainlet.passes.split import FROZEN, part_leaf
from trainlet.passes.update import PREFIX

TABLE = ".channels"
"""Suffix of a name: a weight's table of channels that learn."""


def can_choose(graph: Graph, name: str, criterion: str) -> bool:
    """Whether a weight's input channels may be chosen at run time: they lie along one axis by
    themselves, no scale belongs to a channel, and the criterion can be measured."""
    p = next(n for n in graph.leaves("param") if n.name == name)
    axis, count = input_channels(p, users(graph.nodes())[p])
    apart = count == p.type.shape[axis] and (p.type.quant is None or p.type.quant.axis != axis)
    return apart and MEASURED[criterion].can(graph.outputs[PREFIX + name])


def learn_at_run_time(graph: Graph, channels: Mapping[str, int]) -> Graph:
    """The differentiated graph in which so many input channels of each weight learn, those in the
    weight's table, which begins as the first ones.

    Raises SchemeError for a weight whose gradient cannot be cut to some channels.
    """
    values, outputs = dict(graph.values), dict(graph.outputs)
    readers = users(graph.nodes())
    halves: dict[Node, tuple[int, tuple[Node, Node, Node]]] = {}
    for p in graph.leaves("param"):
        many = channels.get(p.name)
        if many is None:
            continue
        axis, count = input_channels(p, readers[p])
        table = leaf("state", p.name + TABLE, typed("int32", many), **{TABLE_OF: count})
        values[table.name] = np.arange(many, dtype=np.int32)
        values[p.name + FROZEN] = values[p.name]
        gradient = PREFIX + p.name
        outputs[gradient] = narrowed_gradient(p.name, outputs[gradient], table, f"{many} channels")
        frozen = leaf("const", p.name + FROZEN, p.type, **p.attrs)
        learns = part_leaf("param", p, p.name, Part(p.type, axis, 0, many))
        halves[p] = axis, (frozen, learns, table)
    forward = set(forward_part(graph).nodes())

    @cache
    def joined(p: Node, predicts: bool) -> Node:
        axis, parts = halves[p]
        op = "overlay_i8" if p.type.dtype == "int8" else "overlay"
        return build(op, *parts, axis=axis, label=p.name)

    narrowed, new = Graph(outputs, values), dict[Node, Node]()
    for n in narrowed.nodes():
        inputs = [joined(i, n in forward) if i in halves else new[i] for i in n.inputs]
        new[n] = n.with_inputs(inputs)
    return Graph({name: new[n] for name, n in narrowed.outputs.items()}, values)


def measure(graph: Graph, weights: list[str], criterion: str) -> Graph:
    """The step that adds an example to what `select` looks at, of the input channels of these
    weights, instead of training anything.

    graph: differentiated with respect to these weights and to one before them.
    Raises UnsupportedError for a weight that several layers read.
    """
    outputs = {**as_outputs(predictions(graph)), LOSS: graph.outputs[LOSS]}
    values, readers = dict(graph.values), users(graph.nodes())
    params = {p.name: p for p in graph.leaves("param")}
    for name in weights:
        gradient = graph.outputs[PREFIX + name]
        if OPS[gradient.op].narrow is None:
            raise SchemeError(f"parameter {name!r} is no weight of one layer; reduce the depth")
        count = gradient.inputs[1].type.shape[-1]
        total = leaf("state", measured_name(name, criterion), float32(count))
        values[total.name] = np.zeros(count, np.float32)
        found = MEASURED[criterion].added(total, gradient, params[name], readers)
        outputs[f"new.{total.name}"] = found
    return Graph(outputs, values)


def measured_name(weight: str, criterion: str) -> str:
    """Of the state that holds what was measured of a weight."""
    return f"{weight}.{criterion}"


@dataclass(frozen=True)
class Measured:
    """What is measured of a weight's input channels.

    can:    whether it can be, of the weight's gradient
    added:  (total, gradient, weight, readers of each node) -> the new total
    """

    can: Callable[[Node], bool]
    added: Callable[[Node, Node, Node, Mapping[Node, Sequence[Node]]], Node]


def _fisher(total: Node, gradient: Node, p: Node, readers: Mapping[Node, Sequence[Node]]) -> Node:
    """The gradient of what a layer reads is multiplied with what it reads."""
    (behind, x), label = gradient.inputs[:2], p.name
    found = [
        n
        for n in readers[behind]
        if n.inputs[0] is behind and p in n.inputs and n.type.shape == x.type.shape
    ]
    if len(found) != 1:
        raise UnsupportedError(f"{len(found)} gradients pass {label!r} to what it reads; "
                               "allowed: one")  # fmt: skip
    (g,) = found
    if not is_block(g.type):
        real = dequantized(x) if x.type.dtype == "int8" else x
        return build("add_fisher", total, real, g, label=label)
    scale, zero = affine(x)
    return build("add_fisher_i8", total, x, g, exponent_of(g), scale=scale, zero=zero, label=label)


MEASURED: Mapping[str, Measured] = {
    "fisher": Measured(lambda gradient: True, _fisher),
    "gradient": Measured(can_square, lambda total, gradient, *_: squares(total, gradient)),
}
"""By criterion."""
