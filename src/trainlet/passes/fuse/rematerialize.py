"""Keeps int8 values for the backward pass instead of the float32 values computed from them, which
it recomputes."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, users
from trainlet.ops.op import OPS
from trainlet.passes.recompute import backward_nodes, recompute

MIN_BYTES = 1024
"""Results of fewer bytes are not recomputed: that would save less than different orders of a step
differ by."""


def rematerialize_wide(graph: Graph) -> Graph:
    """The backward pass recomputes element-wise results that are larger than their inputs. No bit
    changes."""
    backward = backward_nodes(graph)
    return recompute(graph, [n for n in graph.nodes() if _widens(n) and n not in backward]).graph


def rematerialized(graph: Graph) -> set[Node]:
    """The results of this kind that only the backward pass reads, so that they need not be kept for
    it."""
    nodes, backward, asked = graph.nodes(), backward_nodes(graph), set(graph.outputs.values())
    readers = users(nodes)
    late = {n for n in nodes if n not in asked and all(r in backward for r in readers[n])}
    return {n for n in late - backward if _widens(n)}


def _widens(n: Node) -> bool:
    if n.is_leaf or OPS[n.op].element is None or n.type.nbytes < MIN_BYTES:
        return False
    return sum(i.type.nbytes for i in n.inputs) < n.type.nbytes
