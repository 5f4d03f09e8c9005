"""Which nodes share storage, whatever the order: aliases, and leaves updated in place."""

from __future__ import annotations

from trainlet.ir.graph import Node
from trainlet.ops.op import OPS

ALIGN = 8
PERSISTENT = frozenset(("param", "const", "state"))


def aligned(nbytes: int) -> int:
    """Bytes that a tensor takes in the arena."""
    return -(-nbytes // ALIGN) * ALIGN


def holder(n: Node) -> Node:
    """The node whose storage holds n's value: through aliases, and updates of a leaf."""
    while not n.is_leaf:
        op = OPS[n.op]
        position = 0 if op.alias else op.mutates
        if position is None:
            return n
        n = n.inputs[position]
    return n


def in_arena(n: Node) -> bool:
    """Whether the value lies in the arena; parameters, constants and state do not."""
    return holder(n).op not in PERSISTENT
