"""A tile row by row: which rows each turn makes of each node, and how long they are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from trainlet.ir.graph import Node
from trainlet.ops.op import build
from trainlet.ops.rows import Rows, SummedRows
from trainlet.plan.buffers import ALIGN
from trainlet.plan.tiles.loops import as_loops
from trainlet.plan.tiles.maps import height, row_bytes, rows_of, rows_type
from trainlet.plan.tiles.tile import Band, Fetch, Overlap, Place, Slide, Step, Tile

LARGE = 8
"""A source is worth lying on if it has this part of the bytes of the largest."""


def make_tile(
    nodes: Sequence[Node],
    readers: Mapping[Node, Iterable[Node]],
    rows: int,
    streamed: Node | None = None,
) -> Tile:
    """The tile of these nodes, inputs first; `rows` rows of the last of them are made at a time.

    readers: for each node, all that read it; what others than `nodes` read stays whole.
    streamed: an input that comes in rows, if it is not whole.
    """
    return _Unrolled(nodes, readers, rows, streamed).tile()


def measure_tile(
    nodes: Sequence[Node],
    readers: Mapping[Node, Iterable[Node]],
    rows: int,
    streamed: Node | None = None,
) -> Tile:
    """The same tile without its loops: all that liveness asks for."""
    return _Measured(nodes, readers, rows, streamed).tile()


class _Unrolled:
    """The tile turn by turn: which rows each node makes, and which it still needs."""

    def __init__(
        self,
        nodes: Sequence[Node],
        readers: Mapping[Node, Iterable[Node]],
        rows: int,
        streamed: Node | None,
    ) -> None:
        inside = set(nodes)
        self.nodes, self.step = tuple(nodes), rows
        self.how: dict[Node, Rows] = {n: how for n in nodes if (how := rows_of(n))}
        self.maps = {n: [n.inputs[k] for k in self.how[n].maps] for n in nodes}
        self.users: dict[Node, list[Node]] = {}
        for n in nodes:
            for m in dict.fromkeys(self.maps[n]):
                self.users.setdefault(m, []).append(n)
        self.made = [n for n in (streamed,) if n is not None and n in self.users] + list(nodes)
        self.partial = {n for n in self.made if all(r in inside for r in readers[n]) and readers[n]}
        self.made = [n for n in self.made if not n.is_leaf or n in self.partial]
        self.done = dict.fromkeys(self.made, 0)
        self.base = dict.fromkeys(self.partial, 0)
        self.capacity = dict.fromkeys(self.partial, 0)
        self.main = next(n for n in reversed(nodes) if n not in self.users)
        self.slack: dict[tuple[Node, Node], int] = {}
        outer = [m for m in self.users if m not in self.done]
        largest = max((m.type.nbytes for m in outer), default=0)
        self.large = [m for m in outer if m.type.nbytes * LARGE >= largest]
        maps = dict.fromkeys([*nodes, *self.users])
        self.height = {n: height(n) for n in maps}
        self.row_bytes = {n: row_bytes(n) for n in maps}

    def tile(self) -> Tile:
        loops = as_loops(self.turns())
        return Tile(self.nodes, self.windows(), loops, self.overlaps())

    def turns(self) -> list[list[Step]]:
        total = self.height[self.main]
        ends = range(self.step, total + self.step, self.step)
        return [self.turn(min(end, total), end >= total) for end in ends]

    def windows(self) -> dict[Node, int]:
        return {n: self.capacity[n] * self.row_bytes[n] for n in self.made if n in self.partial}

    def overlaps(self) -> tuple[Overlap, ...]:
        return tuple(Overlap(x, y, slack // ALIGN * ALIGN) for (x, y), slack in self.slack.items())

    def turn(self, end: int, last: bool) -> list[Step]:
        need = self.demand(end, last)
        steps: list[Step] = []
        for n in self.made:
            until = need[n] if n in need else self.ready(n)
            if until > self.done[n]:
                steps += self.slide(n, until)
                step = self.fetch(n, until) if n.is_leaf else self.band(n, until)
                if step:
                    steps.append(step)
                self.done[n] = until
        return steps

    def fetch(self, n: Node, until: int) -> Fetch:
        first = self.done[n]
        return Fetch(n, first, until - first, (first - self.base[n]) * row_bytes(n))

    def demand(self, end: int, last: bool) -> dict[Node, int]:
        """How many rows of each node the turn needs.  Who has no reader here but is not the main
        result takes what comes, until the last turn; a streamed input that only such nodes read
        comes as fast as the main result is made.  Then all is made but rows of a window that nobody
        reads, below the last stride of a layer."""
        need: dict[Node, int] = {self.main: end}
        for n in reversed(self.made):
            readers = [r for r in self.users.get(n, ()) if r in need]
            if readers:
                wanted = max(self.how[r].end(need[r]) for r in readers)
                need[n] = max(self.done[n], min(self.height[n], wanted))
            elif n.is_leaf:
                need[n] = -(-self.height[n] * end // self.height[self.main])
            if last and (n not in self.partial or n.is_leaf or not readers):
                need[n] = self.height[n]
        return need

    def ready(self, n: Node) -> int:
        available = min(self.done.get(m, self.height[m]) for m in self.maps[n])
        whole = all(self.done.get(m, self.height[m]) == self.height[m] for m in self.maps[n])
        return self.height[n] if whole else min(self.height[n], self.how[n].ready(available))

    def still_needed(self, m: Node) -> int:
        """The first row of m that somebody here has still to read; one past the last if none."""
        height = self.height[m]
        waiting = [(u, self.done[u]) for u in self.users[m] if self.done[u] < self.height[u]]
        return min((self.how[u].span(k, k + 1, height)[0] for u, k in waiting), default=height)

    def slide(self, n: Node, until: int) -> list[Slide]:
        """Room for new rows in a window."""
        if n not in self.partial:
            return []
        keep = min(self.still_needed(n), self.done[n])
        start, size = keep - self.base[n], self.done[n] - keep
        self.base[n] = keep
        self.capacity[n] = max(self.capacity[n], until - keep)
        move = size > 0 and start > 0
        return [Slide(n, start * self.row_bytes[n], size * self.row_bytes[n])] if move else []

    def band(self, n: Node, until: int) -> Band | None:
        how, done = self.how[n], self.done[n]
        height = self.height[n.inputs[how.maps[0]]]
        first, stop = how.span(done, until, height)
        inputs: list[Node] = list(n.inputs)
        places: list[Place | None] = [None] * len(inputs)
        for k in how.maps:
            m = n.inputs[k]
            inputs[k] = Node("input", (), rows_type(m, stop - first))
            places[k] = Place(m, (first - self.base.get(m, 0)) * self.row_bytes[m])
        attrs = how.part(n.attrs, done, until, height)
        if isinstance(how, SummedRows) and done:
            inputs.append(Node("input", (), n.type))
            places.append(Place(n, 0))
        call = build(n.op, *inputs, label=n.name, **attrs)
        if n not in self.partial:
            self.note_overlap(n, until)
        result = Place(n, (done - self.base.get(n, 0)) * self.row_bytes[n])
        return Band(n, call, result, tuple(places))

    def note_overlap(self, n: Node, until: int) -> None:
        """How far n's new rows must stay behind the rows of outer maps that are still needed."""
        if isinstance(self.how[n], SummedRows):
            return
        for m in self.large:
            if self.still_needed(m) < self.height[m]:
                room = self.still_needed(m) * self.row_bytes[m] - until * self.row_bytes[n]
                self.slack[m, n] = min(room, self.slack.get((m, n), room))


class _Measured(_Unrolled):
    """The walk over the rows alone."""

    def tile(self) -> Tile:
        self.turns()
        return Tile(self.nodes, self.windows(), (), self.overlaps())

    def band(self, n: Node, until: int) -> None:
        if n not in self.partial:
            self.note_overlap(n, until)
