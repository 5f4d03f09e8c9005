"""Reads a weight of which some input channels learn in its two parts, so that the arena never holds
it as a whole.  Bit for bit the same."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, rewrite
from trainlet.ops.op import OPS
from trainlet.ops.quantized.interleave import parts_of
from trainlet.passes.freeze import fold_constants


def read_in_parts(graph: Graph) -> Graph:
    """Layers, their input gradients and their gains read both parts of a weight, where they can.

    An input gradient then reads what learns itself, so the weight is updated after it.  The graph
    itself, if there is no such weight.
    """
    found: list[Node] = []

    def rule(n: Node) -> Node | None:
        for parts in filter(None, map(parts_of, n.inputs)):
            made = OPS[n.op].of_parts(n, parts)
            if made:
                found.append(made)
            return made
        return None

    apart = rewrite(graph, rule)
    return fold_constants(apart) if found else graph
