"""Weights of which the device itself chooses the input channels that learn.

The channels are data: a table in the state.  The whole weight lies in Flash, the slices that learn
in RAM, and where a layer reads the weight the slices are laid over it.  The other pass in this file
makes what the device chooses by: the Fisher information of each channel.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from trainlet.passes.channels import input_channels
from trainlet.passes.prune import narrowed_gradient
from trainlet.passes.split import FROZEN, part_leaf
from trainlet.passes.update import PREFIX

TABLE, FISHER = ".channels", ".fisher"
"""Suffixes of names: a weight's table of channels that learn, and their Fisher information."""


def can_choose(graph: Graph, name: str) -> bool:
    """Whether a weight's input channels may be chosen at run time: they lie along one axis by
    themselves, and no scale belongs to a channel."""
    p = next(n for n in graph.leaves("param") if n.name == name)
    axis, count = input_channels(p, users(graph.nodes())[p])
    return count == p.type.shape[axis] and (p.type.quant is None or p.type.quant.axis != axis)


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


def measure_fisher(graph: Graph, weights: list[str]) -> Graph:
    """The step that adds to the Fisher information of the input channels of these weights, instead
    of training anything.

    graph: differentiated with respect to these weights and to one before them.
    Raises UnsupportedError for a weight that several layers read.
    """
    outputs = {**as_outputs(predictions(graph)), LOSS: graph.outputs[LOSS]}
    values, nodes = dict(graph.values), graph.nodes()
    readers = users(nodes)
    params = {p.name: p for p in graph.leaves("param")}
    for name in weights:
        p, (x, g) = params[name], _read_and_gradient(name, graph.outputs[PREFIX + name])
        found = [
            n
            for n in readers[g]
            if n.inputs[0] is g and p in n.inputs and n.type.shape == x.type.shape
        ]
        if len(found) != 1:
            raise UnsupportedError(f"{len(found)} gradients pass {name!r} to what it reads; "
                                   "allowed: one")  # fmt: skip
        count = x.type.shape[-1]
        total = leaf("state", name + FISHER, float32(count))
        values[total.name] = np.zeros(count, np.float32)
        outputs[f"new.{total.name}"] = _added(total, x, found[0], name)
    return Graph(outputs, values)


def _read_and_gradient(name: str, gradient: Node) -> tuple[Node, Node]:
    """What a layer reads, and the gradient of what it makes, of its weight's gradient."""
    if OPS[gradient.op].narrow is None:
        raise SchemeError(f"parameter {name!r} is no weight of one layer; reduce the depth")
    return gradient.inputs[1], gradient.inputs[0]


def _added(total: Node, x: Node, g: Node, label: str) -> Node:
    if not is_block(g.type):
        real = dequantized(x) if x.type.dtype == "int8" else x
        return build("add_fisher", total, real, g, label=label)
    scale, zero = affine(x)
    return build("add_fisher_i8", total, x, g, exponent_of(g), scale=scale, zero=zero, label=label)
