"""A plan: order and addresses; and its check, which follows the bytes and trusts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainlet.errors import PlanError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS

Order = tuple[Node, ...]


@dataclass(frozen=True)
class Plan:
    """When each node runs and where its tensor lies.

    order:     every node that is no leaf
    offset:    first byte in the arena of each node that lies there, inputs included
    scratch:   first byte of the work space of the nodes that need one
    live:      for each buffer, by the node that makes it, its first and last moment (-1: before
               the first node)
    arena:     bytes
    lower_bound: the largest sum of live bytes; no placement of this order needs fewer
    """

    order: Order
    offset: Mapping[Node, int]
    scratch: Mapping[Node, int]
    live: Mapping[Node, tuple[int, int]]
    arena: int
    lower_bound: int

    def check(self, graph: Graph | None = None) -> None:
        """Replay the order on an array that remembers who wrote each byte last.

        With the graph, also see that the order leaves nothing of it out.

        Raises PlanError when a node reads bytes that are not its input's any more, a result lies
        outside the arena or on an input that the op may not overwrite, or a leaf is read as it
        was after its update.
        """
        if graph is not None:
            missing = {n for n in graph.nodes() if not n.is_leaf} - set(self.order)
            if missing:
                raise PlanError(
                    f"{len(missing)} nodes are in no order, first {next(iter(missing))!r}"
                )
        _Replay(self).run()


class _Replay:
    """The independent reading of a plan: no liveness, only bytes and their last writer."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.writer = np.full(plan.arena, -1, np.int64)
        self.token: dict[Node, int] = {}
        self.updated: dict[Node, Node] = {}

    def run(self) -> None:
        for n in self.plan.offset:
            if n.op == "input":
                self.write(n)
        for n in self.plan.order:
            for i in n.inputs:
                self.read(i, n)
            op = OPS[n.op]
            if op.alias:
                self.follow(n)
            elif op.mutates is not None:
                self.update(n, n.inputs[op.mutates])
            else:
                self.apart(n)
                self.write(n)

    def bytes_of(self, n: Node) -> slice:
        if n not in self.plan.offset:
            raise PlanError(f"{n!r} has no address")
        start = self.plan.offset[n]
        if start < 0 or start + n.type.nbytes > self.plan.arena:
            raise PlanError(
                f"{n!r} takes bytes {start}..{start + n.type.nbytes} of {self.plan.arena}"
            )
        if start % np.dtype(n.type.dtype).itemsize:
            raise PlanError(f"{n!r} lies at {start}, which is not aligned for {n.type.dtype}")
        return slice(start, start + n.type.nbytes)

    def write(self, n: Node) -> None:
        self.token[n] = len(self.token)
        self.writer[self.bytes_of(n)] = self.token[n]

    def stored(self, n: Node) -> Node:
        """The leaf that holds n's value, or n itself if it lies in the arena."""
        while not n.is_leaf and (OPS[n.op].alias or OPS[n.op].mutates is not None):
            n = n.inputs[OPS[n.op].mutates or 0]
        return n

    def read(self, i: Node, reader: Node) -> None:
        source = self.stored(i)
        if source.op in ("param", "state", "const"):
            self.read_leaf(i, source, reader)
        elif i not in self.token:
            raise PlanError(f"{reader!r} reads {i!r} before it is made")
        elif (self.writer[self.bytes_of(i)] != self.token[i]).any():
            raise PlanError(f"{reader!r} reads {i!r} after its bytes were overwritten")

    def read_leaf(self, i: Node, leaf: Node, reader: Node) -> None:
        by = self.updated.get(leaf)
        wants_new = self.update_of(i)
        if wants_new is not by:
            raise PlanError(
                f"{reader!r} reads {leaf!r} "
                + ("before its update" if by is None else f"after {by!r} updated it")
            )

    def update_of(self, i: Node) -> Node | None:
        while not i.is_leaf and OPS[i.op].alias:
            i = i.inputs[0]
        return None if i.is_leaf else i

    def follow(self, n: Node) -> None:
        source = n.inputs[0]
        if self.stored(n).op in ("param", "state", "const"):
            return
        if self.plan.offset.get(n) != self.plan.offset[source]:
            raise PlanError(f"{n!r} is not where {source!r} is, whose storage it names")
        self.token[n] = self.token[source]

    def update(self, n: Node, target: Node) -> None:
        leaf = self.stored(target)
        if leaf in self.updated:
            raise PlanError(f"{leaf!r} is updated twice, by {self.updated[leaf]!r} and {n!r}")
        self.updated[leaf] = n

    def apart(self, n: Node) -> None:
        """The result, the work space and the inputs lie apart, but for what may work in place."""
        op, result = OPS[n.op], self.bytes_of(n)
        scratch = slice(0, 0)
        if size := op.workspace(n):
            start = self.plan.scratch[n]
            scratch = slice(start, start + size)
            if start < 0 or scratch.stop > self.plan.arena or _overlap(scratch, result):
                raise PlanError(f"the work space of {n!r} does not lie free")
        for position, i in enumerate(n.inputs):
            if i not in self.token:
                continue
            there = self.bytes_of(i)
            taken = position in op.inplace and there.start == result.start
            if _overlap(result, there) and not taken:
                raise PlanError(f"{n!r} writes over its input {i!r}, which it may not")
            if _overlap(scratch, there):
                raise PlanError(f"the work space of {n!r} lies on its input {i!r}")
        self.writer[scratch] = -1


def _overlap(a: slice, b: slice) -> bool:
    return a.start < b.stop and b.start < a.stop
