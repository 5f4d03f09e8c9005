"""Reverse mode over the graph: adds gradient nodes, runs nothing."""

from __future__ import annotations

import numpy as np

from trainlet.ir.graph import Graph, Node, rewrite, unused
from trainlet.ops.op import OPS, leaf
from trainlet.ops.quantized.gradient.format import GradientFormat


def differentiate(graph: Graph, loss: str = "loss", gradient: str = "float32") -> Graph:
    """The graph with one output `grad.<name>` for each parameter leaf.

    The gradient of the loss with respect to itself is a leaf `seed`, and the backward pass is all
    that follows from it.

    No gradient passes a `detach`, and none is left in the result.  The gradient of a tensor that
    is read several times is the sum over its readers.
    gradient: of an int8 activation: "float32", "int16" or "int8"; of a parameter it is float32.
    Raises UnsupportedError when an op between a parameter and the loss has no gradient rule.
    """
    nodes = graph.nodes()
    wanted: set[Node] = set()
    for n in nodes:
        if n.op == "param" or (any(i in wanted for i in n.inputs) and not OPS[n.op].detaches):
            wanted.add(n)
    root = graph.outputs[loss]
    name = unused(f"{loss}.gradient", graph.values)
    seed = leaf("seed", name, root.type)
    gradients: dict[Node, Node] = {root: seed}
    numbers = GradientFormat(gradient)
    for n in reversed(nodes):
        if n not in wanted or n.is_leaf or n not in gradients:
            continue
        thunks = numbers.thunks(n, gradients[n])
        for i, thunk in zip(n.inputs, thunks, strict=True):
            if thunk is None or i not in wanted:
                continue
            known, term = gradients.get(i), numbers.settled(i, thunk())
            gradients[i] = numbers.plus(i, known, term) if known else term
    found = {f"grad.{n.name}": gradients[n] for n in nodes if n.op == "param" and n in gradients}
    values = {**graph.values, name: np.ones(root.type.shape, np.float32)}
    return _without_detach(Graph({**graph.outputs, **found}, values))


def _without_detach(graph: Graph) -> Graph:
    """After differentiation a `detach` has no effect, so it is removed."""

    def rule(n: Node) -> Node | None:
        return n.inputs[0] if not n.is_leaf and OPS[n.op].detaches else None

    return rewrite(graph, rule)
