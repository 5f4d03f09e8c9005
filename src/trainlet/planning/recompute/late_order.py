"""The order of a graph with recomputed nodes: each copy runs just before it is first needed."""

from __future__ import annotations

import heapq

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.passes.recompute import Recomputed
from trainlet.planning.order.schedule import before


def late_order(recomputed: Recomputed, order: NodeOrder) -> NodeOrder:
    """`order` is the graph's as it was.  An update waits until copies have read its parameter."""
    graph, made = recomputed.graph, recomputed.made
    copies = set(recomputed.copies.values())
    wanted: dict[Node, None] = {}
    for n in order:
        for c in _missing(made[n], copies, wanted):
            wanted[c] = None
        wanted[made[n]] = None
    there = set(graph.nodes())
    return _settled(graph, [n for n in wanted if n in there])


def _missing(n: Node, copies: set[Node], done: dict[Node, None]) -> list[Node]:
    """The copies that n needs and that have not run, inputs first."""
    found: dict[Node, None] = {}
    stack = [(n, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            found[node] = None
            continue
        if node is not n:
            stack.append((node, True))
        missing = [i for i in node.inputs if i in copies and i not in done and i not in found]
        stack.extend((i, False) for i in reversed(missing))
    return list(found)


def _settled(graph: Graph, wanted: list[Node]) -> NodeOrder:
    """As wanted, but nothing before what it must wait for."""
    dependencies = before(graph)
    rank = {n: k for k, n in enumerate(wanted)}
    waiting = {n: len(dependencies[n]) for n in wanted}
    followers: dict[Node, list[Node]] = {n: [] for n in wanted}
    for n in wanted:
        for earlier in dependencies[n]:
            followers[earlier].append(n)
    ready = [rank[n] for n in wanted if not waiting[n]]
    heapq.heapify(ready)
    order = []
    while ready:
        n = wanted[heapq.heappop(ready)]
        order.append(n)
        for later in followers[n]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, rank[later])
    return tuple(order)
