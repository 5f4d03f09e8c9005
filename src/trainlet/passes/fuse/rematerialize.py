"""Recomputes values in the backward pass that it could keep: float32 values of int8 values, and
the results of layers whose weight asks for it."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, users
from trainlet.ops.op import OPS
from trainlet.ops.shape import source_of
from trainlet.passes.recompute import backward_nodes, recompute

ASKS = "recompute"
"""The attribute of a leaf that is the weight of such a layer."""
MIN_BYTES = 1024
"""Results of fewer bytes are not recomputed: that would save less than different orders of a step
differ by."""


def rematerialize(graph: Graph) -> Graph:
    """The backward pass recomputes element-wise results that are larger than their inputs, and
    layers whose weight asks for it. No bit changes."""
    backward = backward_nodes(graph)
    chosen = [n for n in graph.nodes() if n not in backward and (_widens(n) or _asks(n))]
    return recompute(graph, chosen).graph


def rematerialized(graph: Graph) -> set[Node]:
    """The results of this kind that only the backward pass reads, so that they need not be kept for
    it."""
    nodes, backward, asked = graph.nodes(), backward_nodes(graph), set(graph.outputs.values())
    readers = users(nodes)
    late = {n for n in nodes if n not in asked and all(r in backward for r in readers[n])}
    return {n for n in late - backward if _widens(n) or _asks(n)}


def _asks(n: Node) -> bool:
    if n.is_leaf or OPS[n.op].channel_axis is None:
        return False
    return bool(source_of(n.inputs[1]).attrs.get(ASKS))


def _widens(n: Node) -> bool:
    if n.is_leaf or OPS[n.op].element is None or n.type.nbytes < MIN_BYTES:
        return False
    return sum(i.type.nbytes for i in n.inputs) < n.type.nbytes
