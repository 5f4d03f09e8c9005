"""Which nodes share storage, whatever the order: aliases, and leaves updated in place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trainlet.ir.graph import LEAVES, Graph, Node
from trainlet.ops.op import OPS, in_place_candidates

ALIGN = 8
PERSISTENT = frozenset(LEAVES) - {"input"}


def aligned(nbytes: int) -> int:
    """Bytes that a tensor takes in the arena."""
    return -(-nbytes // ALIGN) * ALIGN


def storage_of(n: Node) -> Node:
    """The node whose storage holds n's value: through aliases, and updates of a leaf."""
    while not n.is_leaf:
        op = OPS[n.op]
        position = 0 if op.alias else op.mutates
        if position is None:
            return n
        n = n.inputs[position]
    return n


def first_byte(n: Node) -> int:
    """The byte, counted from the beginning of its storage, at which n's value begins."""
    start = 0
    while not n.is_leaf:
        op = OPS[n.op]
        position = 0 if op.alias else op.mutates
        if position is None:
            return start
        start += (op.window(n) or 0) * n.inputs[position].type.itemsize
        n = n.inputs[position]
    return start


def in_arena(n: Node) -> bool:
    """Whether the value lies in the arena; parameters, constants and state do not."""
    return storage_of(n).op not in PERSISTENT


def kept_bytes(graph: Graph) -> int:
    """Bytes of the parameters and of the state that a step changes, beside the arena."""
    return sum(n.type.nbytes for n in graph.leaves("param", "state"))


@dataclass(frozen=True)
class Footprint:
    """What a node means for memory, whatever the order.

    storage:  the node whose storage holds its value
    arena:    whether that storage lies in the arena
    size:     bytes of its value, aligned
    scratch:  bytes of its work space, aligned
    reads:    the storages that it reads; none for an alias, since its readers read them
    in_place: the storages of its own size that its result may take over, each with the storages in
              the arena that its other inputs have
    """

    storage: Node
    arena: bool
    size: int
    scratch: int
    reads: tuple[Node, ...]
    in_place: tuple[tuple[Node, tuple[Node, ...]], ...]


def footprints(nodes: Iterable[Node]) -> dict[Node, Footprint]:
    """The footprint of each node."""
    table: dict[Node, Footprint] = {}
    for n in nodes:
        if n.is_leaf:
            table[n] = Footprint(n, n.op not in PERSISTENT, aligned(n.type.nbytes), 0, (), ())
            continue
        op, kept, size = OPS[n.op], storage_of(n), aligned(n.type.nbytes)
        held = {i: storage_of(i) for i in n.inputs}
        there = {i: h for i, h in held.items() if h.op not in PERSISTENT}
        lent = []
        for i in (n.inputs[k] for k in in_place_candidates(n)):
            whole = i in there and first_byte(i) == 0
            if whole and aligned(there[i].type.nbytes) == size:
                lent.append((there[i], tuple(h for j, h in there.items() if j is not i)))
        reads = () if op.alias else tuple(dict.fromkeys(held.values()))
        arena, scratch = kept.op not in PERSISTENT, aligned(op.workspace(n))
        table[n] = Footprint(kept, arena, size, scratch, reads, tuple(lent))
    return table
