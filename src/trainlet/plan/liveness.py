"""Order -> buffers: who shares whose bytes, and from when to when they are alive."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS
from trainlet.plan.buffers import aligned, holder, in_arena

Span = tuple[int, int]


@dataclass(frozen=True)
class Buffers:
    """owner: the node whose buffer holds a node's value; span: a buffer's first and last moment;
    workspace: bytes of scratch that a node needs while it runs; moment: when each node runs."""

    owner: dict[Node, Node]
    span: dict[Node, Span]
    workspace: dict[Node, int]
    moment: dict[Node, int]

    @property
    def live_bytes(self) -> list[int]:
        """Bytes alive at each moment, work space included."""
        change = [0] * (len(self.moment) + 2)
        for n, (born, dies) in self.span.items():
            change[max(born, 0)] += aligned(n.type.nbytes)
            change[max(dies, 0) + 1] -= aligned(n.type.nbytes)
        for n, size in self.workspace.items():
            change[self.moment[n]] += size
            change[self.moment[n] + 1] -= size
        total, levels = 0, []
        for k in range(max(len(self.moment), 1)):
            total += change[k]
            levels.append(total)
        return levels

    @property
    def lower_bound(self) -> int:
        """No placement of this order needs fewer bytes."""
        return max(self.live_bytes, default=0)


def assign_buffers(graph: Graph, order: tuple[Node, ...]) -> Buffers:
    """Buffers of an order; an op that may work in place does so when its input dies with it.

    Inputs are alive from before the first node.  Outputs are taken as soon as they are made.
    """
    last = _last_reads(order)
    owner: dict[Node, Node] = {}
    span: dict[Node, Span] = {}
    workspace: dict[Node, int] = {}
    for leaf in graph.leaves("input"):
        owner[leaf], span[leaf] = leaf, (-1, last.get(leaf, -1))
    for t, n in enumerate(order):
        if not in_arena(n):
            continue
        op, kept = OPS[n.op], holder(n)
        if kept is not n:
            owner[n] = owner[kept]
            continue
        lender = _lender(n, t, last, owner, span)
        owner[n] = lender or n
        born = span[lender][0] if lender else t
        span[owner[n]] = (born, max(t, last.get(n, t)))
        if scratch := op.workspace(n):
            workspace[n] = aligned(scratch)
    return Buffers(owner, span, workspace, {n: t for t, n in enumerate(order)})


def _last_reads(order: tuple[Node, ...]) -> dict[Node, int]:
    """The last moment at which a storage is read, through aliases too."""
    last: dict[Node, int] = {}
    for t, n in enumerate(order):
        if not OPS[n.op].alias:
            for i in n.inputs:
                last[holder(i)] = t
    return last


def _lender(
    n: Node, t: int, last: dict[Node, int], owner: dict[Node, Node], span: dict[Node, Span]
) -> Node | None:
    """The buffer that n may take over: of an input that nobody reads later."""
    for position in OPS[n.op].inplace:
        i = n.inputs[position]
        if not in_arena(i):
            continue
        kept = holder(i)
        buffer = owner[kept]
        others = [j for j in n.inputs if j is not i and in_arena(j) and owner[holder(j)] is buffer]
        same_size = aligned(buffer.type.nbytes) == aligned(n.type.nbytes)
        if last[kept] == t and span[buffer][1] == t and same_size and not others:
            return buffer
    return None
