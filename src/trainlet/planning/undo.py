"""What a step keeps in order to undo its updates if one of them overflows.

Updates run during the backward pass, so when one overflows others are done.  Integers saturate; a
float32 leaf can become infinite.  The old value of each leaf is copied into the arena just before
its update and stays until the last update that can overflow has run.  Then the new values are
judged: all are finite, or every copy goes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainlet.ir.graph import Node
from trainlet.ops.op import OPS
from trainlet.planning.buffers import aligned, footprints, in_arena, storage_of
from trainlet.planning.liveness import last_reads
from trainlet.planning.packing.blocks import Addresses, Block
from trainlet.planning.packing.occupied import Occupied

STEPS_ALONE = "step"
"""The `rollback` of steps alone: a load reads a blob twice instead of needing room for it."""
Rollback = bool | str
"""Whether what fails changes nothing: True, False or STEPS_ALONE."""


@dataclass(frozen=True)
class Copy:
    """The old value of a leaf, from byte `start` of the arena on, made just before `update`; or, if
    swapped, by the update itself, in the place of its gradient."""

    leaf: Node
    update: Node
    start: int
    swapped: bool = False


@dataclass(frozen=True)
class Undo:
    """last:    the last update that can overflow: after it the new values are judged
    judged:  the leaves that must be finite then
    copies:  of all leaves that have been updated by then
    earlier: copies that the stage before has left, which go back too
    restores: False where old values are not kept: an overflow is found, and the state is lost
    """

    last: Node
    judged: tuple[Node, ...]
    copies: tuple[Copy, ...] = ()
    earlier: tuple[Copy, ...] = ()
    restores: bool = True


def can_overflow(n: Node) -> bool:
    """Whether n is an update whose result may be infinite though its inputs are finite."""
    op = OPS[n.op]
    return op.mutates is not None and n.type.dtype == "float32" and not op.contracts


def updates_to_judge(order: Sequence[Node]) -> list[Node]:
    """All updates of an order up to the last one that can overflow."""
    updates = [n for n in order if OPS[n.op].mutates is not None]
    fallible = [k for k, n in enumerate(updates) if can_overflow(n)]
    return updates[: fallible[-1] + 1] if fallible else []


def swapped_gradients(
    order: tuple[Node, ...], moment: Mapping[Node, int], updates: Sequence[Node]
) -> dict[Node, Node]:
    """For each update that can leave the old value in the place of its gradient, the storage of
    that: of the leaf's size, in the arena, and nobody reads it later."""
    last, found = last_reads(footprints(order), order, moment), dict[Node, Node]()
    for n in updates:
        if OPS[n.op].keeping is None:
            continue
        g = storage_of(n.inputs[1])
        whole = g.type.shape == n.type.shape and g.type.dtype == n.type.dtype
        if whole and not g.is_leaf and in_arena(g) and last[g] == moment[n]:
            found[n] = g
    return found


def copied_blocks(
    copied: Sequence[Node], moment: Mapping[Node, int], updates: Sequence[Node]
) -> list[Block]:
    """For each copied update the bytes of its leaf, from then until the last of all has run."""
    end = moment[updates[-1]] if updates else 0
    return [Block(n, aligned(storage_of(n).type.nbytes), (moment[n], end)) for n in copied]


def make_undo(
    updates: Sequence[Node],
    start: Mapping[Node, int],
    swapped: Mapping[Node, Node],
    earlier: Sequence[Copy],
    restores: bool,
) -> Undo | None:
    """start: the address of each copy; None where no update can overflow."""
    if not updates:
        return None
    return Undo(
        updates[-1],
        tuple(storage_of(n) for n in updates if can_overflow(n)),
        tuple(Copy(storage_of(n), n, start[n], n in swapped) for n in updates) if restores else (),
        tuple(earlier) if restores else (),
        restores,
    )


def place_between(at: Addresses, new: Sequence[Block]) -> Addresses:
    """`at`, and addresses of new blocks in the gaps that it leaves: the lowest of several tries,
    each of which puts one block after the other at its lowest address."""

    def placed(order: Sequence[Block]) -> Addresses:
        found, occupied = dict(at), Occupied.of(at)
        for b in order:
            found[b] = occupied.lowest(b)
            occupied.add(b, found[b])
        return found

    keys = (lambda b: (-b.size, b.span), lambda b: (b.span, -b.size), lambda b: (-b.area, b.span))
    tries = [placed(sorted(new, key=key)) for key in keys]
    return min(tries, key=lambda found: max((found[b] + b.size for b in new), default=0))
