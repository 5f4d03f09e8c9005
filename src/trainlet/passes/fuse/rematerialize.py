"""Float32 values of bytes are kept as bytes: the backward pass makes them again."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, users
from trainlet.ops.op import OPS
from trainlet.passes.recompute import backward_nodes, recompute

MIN_BYTES = 1024
"""Bytes of a result; making smaller ones again wins less than the orders of a step differ by."""


def rematerialize_wide(graph: Graph) -> Graph:
    """The backward pass makes element-wise results again that are larger than what they are made
    of.  Bit for bit the same."""
    backward = backward_nodes(graph)
    return recompute(graph, [n for n in graph.nodes() if _widens(n) and n not in backward]).graph


def rematerialized(graph: Graph) -> set[Node]:
    """Such results that only the backward pass reads: nothing keeps them for it."""
    nodes, backward, asked = graph.nodes(), backward_nodes(graph), set(graph.outputs.values())
    readers = users(nodes)
    late = {n for n in nodes if n not in asked and all(r in backward for r in readers[n])}
    return {n for n in late - backward if _widens(n)}


def _widens(n: Node) -> bool:
    if n.is_leaf or OPS[n.op].element is None or n.type.nbytes < MIN_BYTES:
        return False
    return sum(i.type.nbytes for i in n.inputs) < n.type.nbytes
