"""Reverse mode over the graph: adds gradient nodes, runs nothing."""

from __future__ import annotations

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS, build


def differentiate(graph: Graph, loss: str = "loss") -> Graph:
    """The graph with one output `grad.<name>` for each parameter leaf.

    The gradient of a tensor that is read several times is the sum over its readers.
    Raises UnsupportedError when an op between a parameter and the loss has no gradient rule.
    """
    nodes = graph.nodes()
    wanted: set[Node] = set()
    for n in nodes:
        if n.op == "param" or any(i in wanted for i in n.inputs):
            wanted.add(n)
    root = graph.outputs[loss]
    gradients: dict[Node, Node] = {}
    for n in reversed(nodes):
        if n not in wanted or n.is_leaf or not (n is root or n in gradients):
            continue
        rule = OPS[n.op].vjp
        if rule is None:
            raise UnsupportedError(f"{n!r} has no gradient rule, but a parameter before it learns")
        for i, thunk in zip(n.inputs, rule(n, gradients.get(n)), strict=True):
            if thunk is None or i not in wanted:
                continue
            known = gradients.get(i)
            gradients[i] = build("add", known, thunk(), label=i.name) if known else thunk()
    found = {f"grad.{n.name}": gradients[n] for n in nodes if n.op == "param" and n in gradients}
    return Graph({**graph.outputs, **found}, graph.values)
