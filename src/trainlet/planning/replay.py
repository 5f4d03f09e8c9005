"""Checks a plan by replaying it byte by byte. It shares no code with the planner."""

from __future__ import annotations

from itertools import count

import numpy as np

from trainlet.errors import PlanError
from trainlet.ir.graph import Graph, Node
from trainlet.ops.op import OPS, in_place_candidates
from trainlet.ops.row_access import RowAccess, SummedRowAccess
from trainlet.planning.buffers import PERSISTENT
from trainlet.planning.plan import Plan
from trainlet.planning.tiles.maps import height, row_bytes, rows_of
from trainlet.planning.tiles.tile import Band, Fetch, Place, Slide, Tile
from trainlet.planning.undo import Copy, Undo, can_overflow

WORD = 4


def check_plan(plan: Plan, graph: Graph | None = None) -> None:
    """Replay a plan's order on an array that remembers who wrote each byte last.

    graph: if given, also check that the order leaves out none of its nodes.

    Raises PlanError when a node reads bytes that are no longer its input's, when a result lies
    outside the arena or on an input that the operation may not overwrite, when a leaf is read as
    it was after its update, or when an update that can overflow could not be taken back.
    """
    if graph is not None:
        missing = {n for n in graph.nodes() if not n.is_leaf} - set(plan.order)
        if missing:
            raise PlanError(
                f"{len(missing)} nodes are missing from the order, first {next(iter(missing))!r}"
            )
    Replay(plan).run()


class Replay:
    """The independent reading of a plan: no liveness, only bytes and their last writer."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.writer = np.full(plan.arena, -1, np.int32)
        self.fresh = count()
        self.token: dict[Node, int] = {}
        self.updated: dict[Node, Node] = {}
        self.copies: dict[Node, tuple[slice, int]] = {}
        self.judged: set[Node] = set()

    def run(self) -> None:
        for c in self.plan.undo.earlier if self.plan.undo else ():
            self.copy(c)
        for n in self.plan.offset:
            if n.op == "input" and n not in self.plan.streamed:
                self.write(n)
        for n in self.plan.steps():
            if isinstance(n, Tile):
                TileReplay(self, n).run()
                continue
            kept = self.plan.copies.get(n)
            if kept is not None and not kept.swapped:
                self.copy(kept)
            for i in n.inputs:
                self.read(i, n)
            op = OPS[n.op]
            if op.alias:
                self.follow(n)
            elif op.mutates is not None:
                self.update(n, n.inputs[op.mutates])
                if kept is not None and kept.swapped:
                    self.swap(kept)
            else:
                self.apart(n)
                self.write(n)
            if self.plan.undo and n is self.plan.undo.last:
                self.judge(self.plan.undo)
        late = [n for n in self.updated.values() if can_overflow(n) and n not in self.judged]
        if late:
            raise PlanError(f"{late[0]!r} can overflow, and no check of the new values follows")

    def copy(self, c: Copy) -> None:
        """The old value of a leaf is written into the arena."""
        there = slice(c.start, c.start + c.leaf.type.nbytes)
        if c.start < 0 or there.stop > self.plan.arena or c.start % WORD:
            raise PlanError(f"the old value of {c.leaf!r} does not lie in the arena, at {c.start}")
        self.copies[c.leaf] = there, next(self.fresh)
        self.writer[there] = self.copies[c.leaf][1]

    def swap(self, c: Copy) -> None:
        """The old value of a leaf takes the place of the gradient."""
        op, g = OPS[c.update.op], c.update.inputs[1]
        if op.keeping is None or g.type.nbytes != c.leaf.type.nbytes:
            raise PlanError(f"{c.update!r} cannot keep the old value of {c.leaf!r} in place")
        if self.bytes_of(g).start != c.start:
            raise PlanError(f"the old value of {c.leaf!r} is not where {g!r} was, at {c.start}")
        self.copy(c)

    def judge(self, undo: Undo) -> None:
        """All that was updated can be taken back: each copy is there, as it was made."""
        self.judged.update(self.updated.values())
        for leaf, update in self.updated.items():
            if can_overflow(update) and leaf not in undo.judged:
                raise PlanError(f"{leaf!r} may be infinite, and is not checked")
            if undo.restores and leaf not in self.copies:
                raise PlanError(f"{leaf!r} is updated, and no copy of its old value is made")
        for leaf, (there, token) in self.copies.items():
            if (self.writer[there] != token).any():
                raise PlanError(f"the old value of {leaf!r} is overwritten before the check")

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
        self.token[n] = next(self.fresh)
        self.writer[self.bytes_of(n)] = self.token[n]

    def stored(self, n: Node) -> Node:
        """The leaf that holds n's value, or n itself if it lies in the arena."""
        while not n.is_leaf and (OPS[n.op].alias or OPS[n.op].mutates is not None):
            n = n.inputs[OPS[n.op].mutates or 0]
        return n

    def read(self, i: Node, reader: Node) -> None:
        source = self.stored(i)
        if source.op in PERSISTENT:
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
        if self.stored(n).op in PERSISTENT:
            return
        start = (OPS[n.op].window(n) or 0) * source.type.itemsize
        if self.plan.offset.get(n) != self.plan.offset[source] + start:
            raise PlanError(f"{n!r} is not where {source!r} is, whose storage it shares")
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
            if start < 0 or scratch.stop > self.plan.arena or overlapping(scratch, result):
                raise PlanError(f"the work space of {n!r} overlaps live bytes")
        for position, i in enumerate(n.inputs):
            if i not in self.token:
                continue
            there = self.bytes_of(i)
            taken = position in in_place_candidates(n) and there.start == result.start
            if overlapping(result, there) and not taken:
                raise PlanError(f"{n!r} writes over its input {i!r}, which it may not")
            if overlapping(scratch, there):
                raise PlanError(f"the work space of {n!r} lies on its input {i!r}")
        self.writer[scratch] = -1


class TileReplay:
    """A tile row by row: each row of each map has a writer of its own."""

    def __init__(self, whole: Replay, tile: Tile) -> None:
        self.whole, self.plan, self.tile = whole, whole.plan, tile
        self.rows: dict[Node, list[int]] = {n: [] for n in (*tile.nodes, *tile.windows)}
        self.sums = [n for n in tile.nodes if isinstance(self.how(n), SummedRowAccess)]

    def run(self) -> None:
        for n in self.tile.nodes:
            for k, i in enumerate(n.inputs):
                if k not in self.how(n).maps:
                    self.whole.read(i, n)
        for loop in self.tile.loops:
            for turn in range(loop.times):
                for step in loop.body:
                    if isinstance(step, Slide):
                        self.slide(step)
                    elif isinstance(step, Fetch):
                        self.fetch(step, turn)
                    else:
                        self.band(step, turn)
        for n in self.tile.nodes:
            if n not in self.tile.windows and len(self.rows[n]) != height(n):
                raise PlanError(f"{n!r} has {len(self.rows[n])} of its {height(n)} rows")
            if n in self.sums:
                self.read_sum(n, n)
                self.whole.write(n)
            elif n not in self.tile.windows:
                self.read_rows(n, 0, height(n), self.whole.bytes_of(n), n)
                self.whole.write(n)

    def how(self, n: Node) -> RowAccess:
        how = rows_of(n)
        if how is None:
            raise PlanError(f"{n!r} cannot run on rows")
        return how

    def room(self, n: Node) -> slice:
        size = self.tile.windows.get(n, n.type.nbytes)
        if n not in self.plan.offset:
            raise PlanError(f"{n!r} has no address")
        start = self.plan.offset[n]
        if start < 0 or start + size > self.plan.arena:
            raise PlanError(f"{n!r} takes bytes {start}..{start + size} of {self.plan.arena}")
        return slice(start, start + size)

    def place(self, place: Place, turn: int, nbytes: int, reader: Node) -> slice:
        room = self.room(place.node)
        start = room.start + place.start + turn * place.advance
        if start < room.start or start + nbytes > room.stop:
            raise PlanError(f"{reader!r} leaves the buffer of {place.node!r}")
        if start % np.dtype(place.node.type.dtype).itemsize:
            raise PlanError(f"{reader!r} uses {place.node!r} at {start}, which is not aligned")
        return slice(start, start + nbytes)

    def slide(self, step: Slide) -> None:
        room, source = (
            self.room(step.node),
            self.place(Place(step.node, step.start), 0, step.size, step.node),
        )
        self.whole.writer[room.start : room.start + step.size] = self.whole.writer[source].copy()

    def fetch(self, step: Fetch, turn: int) -> None:
        n, first = step.node, step.first + turn * step.advance
        if first != len(self.rows[n]) or first + step.rows > height(n):
            raise PlanError(f"rows of {n!r} do not come in order: {first}")
        there = self.place(Place(n, step.start), 0, step.rows * row_bytes(n), n)
        self.write_rows(n, step.rows, there.start)

    def write_rows(self, n: Node, rows: int, start: int) -> None:
        for k in range(rows):
            self.rows[n].append(next(self.whole.fresh))
            there = start + k * row_bytes(n)
            self.whole.writer[there : there + row_bytes(n)] = self.rows[n][-1]

    def band(self, step: Band, turn: int) -> None:
        n, how = step.node, self.how(step.node)
        made, until = len(self.rows[n]), len(self.rows[n]) + height(step.call)
        used = []
        for k in how.maps:
            m, place, part = n.inputs[k], step.inputs[k], step.call.inputs[k].type
            first, end = how.span(made, until, height(m))
            if place is None or place.node is not m or part.nbytes != (end - first) * row_bytes(m):
                raise PlanError(f"{n!r} does not read rows {first}..{end} of {m!r}")
            used.append(self.place(place, turn, part.nbytes, n))
            self.read_rows(m, first, end, used[-1], n)
        wanted = how.part(n.attrs, made, until, height(n.inputs[how.maps[0]]))
        if step.call.attrs != wanted:
            raise PlanError(
                f"{n!r} runs on rows {made}..{until} with {step.call.attrs}, not {wanted}"
            )
        result = self.place(step.result, turn, step.call.type.nbytes, n)
        if step.result.node is not n or any(overlapping(result, i) for i in used):
            raise PlanError(f"{n!r} writes over its input")
        if n in self.sums:
            self.add(step, made, until, result)
        else:
            self.write_rows(n, until - made, result.start)

    def add(self, step: Band, made: int, until: int, result: slice) -> None:
        """A partial sum continues from its previous value."""
        n, before = step.node, step.inputs[len(step.node.inputs) :]
        if before != ((Place(n, 0),) if made else ()) or result != self.whole.bytes_of(n):
            raise PlanError(f"{n!r} does not add to what it summed before row {made}")
        if made:
            self.read_sum(n, n)
        self.rows[n] += [next(self.whole.fresh)] * (until - made)
        self.whole.writer[result] = self.rows[n][-1]

    def read_sum(self, n: Node, reader: Node) -> None:
        if (self.whole.writer[self.whole.bytes_of(n)] != self.rows[n][-1]).any():
            raise PlanError(f"{reader!r} reads a sum that was partly overwritten")

    def read_rows(self, m: Node, first: int, end: int, there: slice, reader: Node) -> None:
        """Every byte of these rows is as its writer left it."""
        found = self.whole.writer[there]
        if m in self.rows:
            wanted = np.repeat(np.array(self.rows[m][first:end], np.int32), row_bytes(m))
        else:
            if m not in self.whole.token:
                raise PlanError(f"{reader!r} reads {m!r} before it is made")
            if there.start != self.plan.offset[m] + first * row_bytes(m):
                raise PlanError(f"{reader!r} does not read row {first} of {m!r}")
            wanted = np.full(found.shape, self.whole.token[m], np.int32)
        if found.shape != wanted.shape or (found != wanted).any():
            raise PlanError(f"{reader!r} reads rows {first}..{end} of {m!r} that are not there")


def overlapping(a: slice, b: slice) -> bool:
    return a.start < b.stop and b.start < a.stop
