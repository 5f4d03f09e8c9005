"""An order by a greedy rule: of all nodes that can run, the one with the lowest score runs next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush

from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.planning.buffers import Footprint

Score = Callable[["Progress", Node], tuple[int, ...]]


class Progress:
    """How far a schedule has come.

    unread:  the nodes that are still to read each storage in the arena
    waiting: the nodes that must run before each node and have not
    readers: the nodes that have each node as an input
    rank:    the place of each node in the graph's own order
    """

    def __init__(
        self, footprint: Mapping[Node, Footprint], dependencies: Mapping[Node, set[Node]]
    ) -> None:
        self.footprint = footprint
        self.rank = {n: k for k, n in enumerate(dependencies)}
        self.reads = {n: [h for h in footprint[n].reads if footprint[h].arena] for n in self.rank}
        self.unread: dict[Node, set[Node]] = {}
        self.readers: dict[Node, list[Node]] = {}
        self.waiting = {n: set(d) for n, d in dependencies.items()}
        self.followers: dict[Node, list[Node]] = {n: [] for n in self.rank}
        for n in self.rank:
            for h in self.reads[n]:
                self.unread.setdefault(h, set()).add(n)
            for i in dict.fromkeys(n.inputs):
                self.readers.setdefault(i, []).append(n)
            for earlier in dependencies[n]:
                self.followers[earlier].append(n)

    def freed(self, n: Node) -> int:
        """Bytes that die with n, because n is their last reader."""
        return sum(self.footprint[h].size for h in self.reads[n] if len(self.unread[h]) == 1)

    def made(self, n: Node) -> int:
        """Bytes that n adds; 0 if its result takes the storage of an input that dies."""
        op = OPS[n.op]
        if op.alias or op.mutates is not None:
            return 0
        own = self.footprint[n]
        lent = any(self.unread.get(h) == {n} for h, _ in own.in_place)
        return 0 if lent else own.size

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
        return (self.footprint[n].size if stays else 0) - self.freed(n)

    def run(self, n: Node) -> tuple[list[Node], list[Node]]:
        """A node runs.  Returns those that can run now, and those whose score may have changed:
        the last reader of a storage, and what an update alone waits for."""
        freed, changed = [], []
        for h in self.reads[n]:
            self.unread[h].discard(n)
            if len(self.unread[h]) == 1:
                changed += self.unread[h]
        for f in self.followers[n]:
            self.waiting[f].discard(n)
            if not self.waiting[f]:
                freed.append(f)
            elif len(self.waiting[f]) == 1:
                changed += self.waiting[f]
        return freed, changed


def first(progress: Progress, n: Node) -> tuple[int, ...]:
    """The graph's own order, but whatever frees memory runs as soon as it can."""
    growth = progress.left(n)
    return (0, growth) if growth <= 0 else (1, progress.rank[n])


def least_left(progress: Progress, n: Node) -> tuple[int, ...]:
    """What leaves the fewest bytes alive."""
    return progress.left(n), progress.made(n), progress.rank[n]


def lowest(progress: Progress, n: Node) -> tuple[int, ...]:
    """What needs the fewest bytes while it runs, if it frees nothing."""
    growth = progress.left(n)
    return (0, growth, 0) if growth <= 0 else (1, progress.made(n) + growth, progress.rank[n])


RULES: tuple[Score, ...] = (first, least_left, lowest)


def greedy(
    footprint: Mapping[Node, Footprint], dependencies: Mapping[Node, set[Node]], score: Score
) -> tuple[Node, ...]:
    """The order that a rule finds; of two nodes with the same score the one that could run earlier.

    A score is computed when a node can run, and again only when it may have changed.
    """
    progress = Progress(footprint, dependencies)
    done: list[Node] = []
    nodes = list(dependencies)
    turn: dict[Node, int] = {}  # of the nodes that can run: how many could before
    known: dict[Node, tuple[int, ...]] = {}
    for n in nodes:
        if not progress.waiting[n]:
            turn[n], known[n] = len(turn), score(progress, n)
    ready = [(known[n], turn[n], progress.rank[n]) for n in turn]
    heapify(ready)
    while ready:
        scored, _, k = heappop(ready)
        chosen = nodes[k]
        if known.get(chosen) != scored:  # it has run, or has another score by now
            continue
        del known[chosen]
        done.append(chosen)
        freed, changed = progress.run(chosen)
        for n in freed:
            turn[n] = len(turn)
        for n in (*freed, *(n for n in changed if n in known)):
            now = score(progress, n)
            if known.get(n) != now:
                known[n] = now
                heappush(ready, (now, turn[n], progress.rank[n]))
    return tuple(done)
