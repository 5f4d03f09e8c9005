"""An order in which what the backward pass keeps of a map is made as soon as that frees the map.

The search for an order sees whole maps.  Where the forward pass then runs in tiles, its peak is
gone, and what the order left until later, because it was no higher than that peak, sets a new one.
"""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ir.roles import forward_part
from trainlet.ops.op import OPS
from trainlet.planning.buffers import aligned, in_arena, storage_of


def saved_early(graph: Graph, order: NodeOrder) -> NodeOrder:
    """The order with the slices and masks of a forward map right behind its last forward reader, if
    nothing else reads the map later and they are smaller than it together."""
    forward = set(forward_part(graph).nodes())
    last: dict[Node, Node] = {}
    later: dict[Node, list[Node]] = {}
    for n in order:
        if OPS[n.op].alias:
            continue
        for m in dict.fromkeys(storage_of(i) for i in n.inputs if in_arena(i)):
            if n in forward:
                last[m] = n
            else:
                later.setdefault(m, []).append(n)
    behind: dict[Node, list[Node]] = {}
    for m in (m for m in last if m in later):
        kept = sum(aligned(n.type.nbytes) for n in later[m])
        if kept < aligned(m.type.nbytes) and all(_only_reads(n, m) for n in later[m]):
            behind.setdefault(last[m], []).extend(later[m])
    moved = {n for group in behind.values() for n in group}
    arranged: list[Node] = []
    for n in order:
        if n not in moved:
            arranged += [n, *behind.get(n, ())]
    return tuple(arranged)


def _only_reads(n: Node, m: Node) -> bool:
    """Whether n can run as soon as the map m is there, and changes nothing."""
    there = all(storage_of(i) is m or (i.is_leaf and not in_arena(i)) for i in n.inputs)
    return there and OPS[n.op].mutates is None
