"""Parameters that the scheme does not name become constants, and operations on constants are
computed at compile time."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite, unused
from trainlet.ir.scheme import UpdateScheme
from trainlet.ir.storage import to_device
from trainlet.ops.op import OPS, leaf


def freeze(graph: Graph, scheme: UpdateScheme) -> Graph:
    """Parameters that the scheme leaves out become constants."""

    def rule(n: Node) -> Node | None:
        if n.op != "param" or n.name in scheme:
            return None
        return leaf("const", n.name, n.type, **n.attrs)

    return rewrite(graph, rule)


def fold_constants(graph: Graph) -> Graph:
    """Nodes whose inputs are all constants become constants."""
    values = dict(graph.values)

    def rule(n: Node) -> Node | None:
        if n.is_leaf or not all(i.op == "const" for i in n.inputs):
            return None
        arrays = [to_device(i, values[i.name]) for i in n.inputs]
        name = unused("_".join([n.inputs[0].name, n.op]), values)
        values[name] = OPS[n.op].eval(*arrays, **n.attrs)
        return leaf("const", name, n.type)

    outputs = rewrite(graph, rule).outputs
    return Graph(outputs, values)
