"""Graph -> order: topological, updates after the last reader, the peak of live bytes small.

Several greedy orders are made and the one with the lowest peak is kept: `best_order` begins there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS, lenders
from trainlet.planning.buffers import aligned, holder, in_arena
from trainlet.planning.liveness import assign_buffers

Order = tuple[Node, ...]
Score = Callable[["_State", Node], tuple]


def schedule(graph: Graph) -> Order:
    """The order with the lowest peak that the greedy rules find."""
    dependencies = before(graph)
    orders = [_greedy(graph, dependencies, score) for score in (_first, _least_left, _lowest)]
    return min(orders, key=lambda order: assign_buffers(graph, order).lower_bound)


def quick_order(graph: Graph) -> Order:
    """The order of the first greedy rule, which alone takes a third of the time."""
    return _greedy(graph, before(graph), _first)


def before(graph: Graph) -> dict[Node, set[Node]]:
    """What must run before each node: its inputs; for an update also every other reader of the
    leaf, and the loss, so that a step whose loss is not finite changes nothing."""
    nodes = [n for n in graph.nodes() if not n.is_leaf]
    table = {n: {i for i in n.inputs if not i.is_leaf} for n in nodes}
    readers: dict[Node, set[Node]] = {}
    for n in nodes:
        for i in n.inputs:
            if holder(i).is_leaf and not _updated(i):
                readers.setdefault(holder(i), set()).add(n)
    for n in nodes:
        if OPS[n.op].mutates is not None:
            table[n] |= readers.get(holder(n), set()) - {n}
            table[n] |= {o for k, o in graph.outputs.items() if k == "loss"} - {n}
    return table


def _updated(n: Node) -> bool:
    """Whether n is a leaf's value after its update."""
    while not n.is_leaf and OPS[n.op].alias:
        n = n.inputs[0]
    return not n.is_leaf


@dataclass
class _State:
    """Progress of a greedy schedule: which reads are still to come of each storage."""

    pending: dict[Node, int]
    reads: dict[Node, dict[Node, int]]
    waiting: dict[Node, set[Node]]
    rank: dict[Node, int]
    readers: dict[Node, list[Node]]
    done: list[Node] = field(default_factory=list)

    def freed(self, n: Node) -> int:
        """Bytes whose last reader n is."""
        return sum(
            aligned(h.type.nbytes) for h, times in self.reads[n].items() if self.pending[h] == times
        )

    def made(self, n: Node) -> int:
        """Bytes that n adds: none when an input that dies lends its storage."""
        op = OPS[n.op]
        if op.alias or op.mutates is not None:
            return 0
        for position in lenders(n):
            h = holder(n.inputs[position])
            same = in_arena(h) and aligned(h.type.nbytes) == aligned(n.type.nbytes)
            if same and self.pending[h] == self.reads[n].get(h):
                return 0
        return aligned(n.type.nbytes)

    def consumed_at_once(self, n: Node) -> bool:
        """Whether every reader of n is an update that can follow immediately."""
        readers = self.readers.get(n, ())
        return bool(readers) and all(
            OPS[r.op].mutates is not None and self.waiting[r] <= {n} for r in readers
        )

    def left(self, n: Node) -> int:
        """Growth of the live bytes once n, and the updates that follow at once, have run."""
        op = OPS[n.op]
        stays = not (op.alias or op.mutates is not None or self.consumed_at_once(n))
        return (aligned(n.type.nbytes) if stays else 0) - self.freed(n)


def _first(state: _State, n: Node) -> tuple:
    """The graph's own order, but whatever frees memory runs as soon as it can."""
    growth = state.left(n)
    return (0, growth) if growth <= 0 else (1, state.rank[n])


def _least_left(state: _State, n: Node) -> tuple:
    """What leaves the fewest bytes alive."""
    return state.left(n), state.made(n), state.rank[n]


def _lowest(state: _State, n: Node) -> tuple:
    """What needs the fewest bytes while it runs, if it frees nothing."""
    growth = state.left(n)
    return (0, growth, 0) if growth <= 0 else (1, state.made(n) + growth, state.rank[n])


def _greedy(graph: Graph, dependencies: dict[Node, set[Node]], score: Score) -> Order:
    nodes = list(dependencies)
    reads = {n: _arena_reads(n) for n in nodes}
    pending: dict[Node, int] = {}
    readers: dict[Node, list[Node]] = {}
    for n in nodes:
        for h, times in reads[n].items():
            pending[h] = pending.get(h, 0) + times
        for i in set(n.inputs):
            readers.setdefault(i, []).append(n)
    waiting = {n: set(d) for n, d in dependencies.items()}
    followers: dict[Node, list[Node]] = {n: [] for n in nodes}
    for n, d in dependencies.items():
        for earlier in d:
            followers[earlier].append(n)
    state = _State(pending, reads, waiting, {n: k for k, n in enumerate(nodes)}, readers)
    ready = {n: None for n in nodes if not waiting[n]}
    while ready:
        chosen = min(ready, key=lambda n: score(state, n))
        del ready[chosen]
        state.done.append(chosen)
        for h, times in reads[chosen].items():
            pending[h] -= times
        for n in followers[chosen]:
            waiting[n].discard(chosen)
            if not waiting[n]:
                ready[n] = None
    return tuple(state.done)


def _arena_reads(n: Node) -> dict[Node, int]:
    """Storages in the arena that n reads.  An alias reads nothing: its readers do."""
    if OPS[n.op].alias:
        return {}
    table: dict[Node, int] = {}
    for i in n.inputs:
        if in_arena(i):
            table[holder(i)] = 1
    return table
