"""Recomputes values of the forward pass in the backward pass, so that they need not stay in
memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trainlet.errors import GraphError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS


@dataclass(frozen=True)
class Recomputed:
    """copies: for each node that is recomputed, its copy; made: for each node of the
    graph as it was, its like in `graph`, which may be out of reach there."""

    graph: Graph
    copies: Mapping[Node, Node]
    made: Mapping[Node, Node]

    @property
    def twice(self) -> tuple[Node, ...]:
        """The copies of nodes that still run in the forward pass too."""
        still = set(self.graph.nodes())
        return tuple(c for n, c in self.copies.items() if n in still)


def recompute(graph: Graph, nodes: Collection[Node]) -> Recomputed:
    """The graph whose backward pass reads a copy of each of `nodes` instead of the node itself.

    A copy reads the copies of those of its inputs that are copied too, so the gradients are the
    same bit for bit.  A node that only the backward pass reads is not made twice, but later.
    Raises GraphError for a node that depends on a gradient, or that updates a leaf.
    """
    backward = backward_nodes(graph)
    chosen = set(nodes)
    for n in chosen:
        if n.is_leaf or n in backward or OPS[n.op].mutates is not None:
            raise GraphError(
                f"{n!r} cannot be recomputed: it is not an operation of the forward pass"
            )
    copies: dict[Node, Node] = {}
    new: dict[Node, Node] = {}
    for n in graph.nodes():
        if n in backward:
            new[n] = n.with_inputs(copies.get(i, new[i]) for i in n.inputs)
            continue
        new[n] = n
        if n in chosen:
            again = tuple(copies.get(i, i) for i in n.inputs)
            copies[n] = Node(n.op, again, n.type, n.attrs, f"{n.name} again".strip())
    found = Graph({k: new[n] for k, n in graph.outputs.items()}, graph.values)
    return Recomputed(found, copies, new)


def backward_nodes(graph: Graph) -> set[Node]:
    """All nodes that follow from a `seed`: the backward pass, and what it updates."""
    backward: set[Node] = set()
    for n in graph.nodes():
        if any(i.op == "seed" or i in backward for i in n.inputs):
            backward.add(n)
    return backward
