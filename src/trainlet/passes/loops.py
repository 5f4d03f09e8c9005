"""Removes what a loop computes and nobody reads."""

from __future__ import annotations

from trainlet.ir.body import Body
from trainlet.ir.graph import Graph, Node, rewrite, users
from trainlet.ops.op import OPS
from trainlet.ops.repeat.loop import part
from trainlet.ops.repeat.trim import trimmed


def is_loop(n: Node) -> bool:
    return isinstance(n.attrs.get("body"), Body)


def read_in_place(graph: Graph) -> Graph:
    """Read a slice of a loop's stacked result, such as the last state, without a copy."""

    def rule(n: Node) -> Node | None:
        if n.is_leaf or OPS[n.op].alias or OPS[n.op].window(n) is None:
            return None
        source, nbytes = n, 0
        while not source.is_leaf and (first := OPS[source.op].window(source)) is not None:
            source = source.inputs[0]
            nbytes += first * source.type.itemsize
        if not is_loop(source):
            return None
        return part(source, nbytes // source.type.itemsize, n.type, n.name)

    return rewrite(graph, rule)


def trim_loops(graph: Graph) -> Graph:
    """Remove each result of a loop that nobody reads, and the nodes that only this result needs."""
    while True:
        new = _trimmed_once(graph)
        if len(new.nodes()) == len(graph.nodes()) and _sizes(new) == _sizes(graph):
            return new
        graph = new


def _sizes(graph: Graph) -> list[tuple[int, int]]:
    return [(n.type.size, len(n.inputs)) for n in graph.nodes() if is_loop(n)]


def _trimmed_once(graph: Graph) -> Graph:
    nodes = graph.nodes()
    readers, asked = users(nodes), set(graph.outputs.values())
    new: dict[Node, Node] = {}
    starts: dict[Node, dict[int, int]] = {}
    for n in nodes:
        new[n] = n.with_inputs(new[i] for i in n.inputs)
        if is_loop(n) and n not in asked and all(OPS[r.op].alias for r in readers[n]):
            unit = n.type.itemsize
            read = [(OPS[r.op].window(r) or 0, r.type.nbytes // unit) for r in readers[n]]
            found = trimmed(new[n], read)
            new[n], starts[n] = found.node, found.start
        elif n.inputs and n.inputs[0] in starts:
            start = starts[n.inputs[0]][OPS[n.op].window(n) or 0]
            new[n] = part(new[n.inputs[0]], start, n.type, n.name)
    return Graph({name: new[n] for name, n in graph.outputs.items()}, graph.values)
