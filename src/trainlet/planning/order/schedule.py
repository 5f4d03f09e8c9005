"""Graph -> order: topological, updates after the last reader, the peak of live bytes small.

Several greedy orders are made and the one with the lowest peak is kept: `best_order` begins there.
"""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ops.op import OPS
from trainlet.planning.buffers import storage_of
from trainlet.planning.liveness import Liveness
from trainlet.planning.order.greedy import RULES, greedy


def schedule(graph: Graph, liveness: Liveness | None = None) -> NodeOrder:
    """The order with the lowest peak that the greedy rules find.

    liveness: of the graph, if it is known.
    """
    liveness = liveness or Liveness(graph)
    dependencies = before(graph)
    orders = [greedy(liveness.prints, dependencies, rule) for rule in RULES]
    return min(orders, key=lambda order: liveness.buffers(order).lower_bound)


def quick_order(graph: Graph, liveness: Liveness) -> NodeOrder:
    """The order of the first greedy rule, which alone takes a third of the time."""
    return greedy(liveness.prints, before(graph), RULES[0])


def before(graph: Graph) -> dict[Node, set[Node]]:
    """What must run before each node: its inputs; for an update also every other reader of the
    leaf, and the loss, so that a step whose loss is not finite changes nothing."""
    nodes = [n for n in graph.nodes() if not n.is_leaf]
    table = {n: {i for i in n.inputs if not i.is_leaf} for n in nodes}
    readers: dict[Node, set[Node]] = {}
    for n in nodes:
        for i in n.inputs:
            if storage_of(i).is_leaf and not _updated(i):
                readers.setdefault(storage_of(i), set()).add(n)
    loss = {o for k, o in graph.outputs.items() if k == "loss"}
    for n in nodes:
        if OPS[n.op].mutates is not None:
            table[n] |= readers.get(storage_of(n), set()) - {n}
            table[n] |= loss - {n}
    return table


def _updated(n: Node) -> bool:
    """Whether n is a leaf's value after its update."""
    while not n.is_leaf and OPS[n.op].alias:
        n = n.inputs[0]
    return not n.is_leaf
