"""A tile: nodes that run together, a few rows at a time, so that maps between them never exist.

Of a map that only the tile's own nodes read, a window of rows is kept: what the next rows still
need slides to its beginning before new rows are added, so nothing is computed twice.  Maps that
others read are whole.  A streamed input is a window too: rows are fetched as they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from trainlet.ir.graph import Node
from trainlet.ir.types import TensorType
from trainlet.ops.op import OPS, build
from trainlet.ops.rows import Rows, SummedRows
from trainlet.plan.buffers import ALIGN, aligned

LARGE = 8
"""A source is worth lying on if it has this part of the bytes of the largest."""


@dataclass(frozen=True)
class Place:
    """Bytes of a node's buffer from `start`, which moves by `advance` with every turn of a loop."""

    node: Node
    start: int
    advance: int = 0


@dataclass(frozen=True, eq=False)
class Band:
    """A node run on some rows: `call` is the same operation with the types of these rows; a sum has
    what was summed before as one more input.

    inputs: where the rows of its maps lie; None for an input that is read as a whole.
    """

    node: Node
    call: Node
    result: Place
    inputs: tuple[Place | None, ...]


@dataclass(frozen=True)
class Slide:
    """`size` bytes from `start` of a window move to its beginning."""

    node: Node
    start: int
    size: int


@dataclass(frozen=True)
class Fetch:
    """`rows` rows of a streamed input, from row `first` on, which moves by `advance` with every
    turn, are written to its window from byte `start` on."""

    node: Node
    first: int
    rows: int
    start: int
    advance: int = 0


Step = Slide | Fetch | Band


@dataclass(frozen=True)
class Loop:
    """The same steps so many times, each time `advance` bytes further in the whole maps."""

    times: int
    body: tuple[Step, ...]


@dataclass(frozen=True)
class Overlap:
    """`result` may begin up to `slack` bytes behind the beginning of `source` (before it, if
    negative): it is written only where source has been read for the last time."""

    source: Node
    result: Node
    slack: int

    @property
    def saved(self) -> int:
        """Bytes that both need less together than one by one."""
        source, result = aligned(self.source.type.nbytes), aligned(self.result.type.nbytes)
        before = max(0, -self.slack)
        return source + result - max(before + source, result)


@dataclass(frozen=True, eq=False)
class Tile:
    """nodes: in the order in which they run; windows: bytes kept of each map that is not whole."""

    nodes: tuple[Node, ...]
    windows: Mapping[Node, int]
    loops: tuple[Loop, ...]
    overlaps: tuple[Overlap, ...] = ()

    @property
    def slides(self) -> bool:
        """Whether any window keeps rows for the next turn."""
        return any(isinstance(step, Slide) for loop in self.loops for step in loop.body)


def moments(order: Sequence[Node], tiles: Iterable[Tile]) -> dict[Node, int]:
    """When each node of an order runs: one after the other, but those of a tile together."""
    tile_of = {n: tile for tile in tiles for n in tile.nodes}
    table: dict[Node, int] = {}
    t, before = -1, None
    for n in order:
        tile = tile_of.get(n)
        if tile is None or tile is not before:
            t += 1
        table[n], before = t, tile
    return table


def rows_of(n: Node) -> Rows | None:
    """How n runs on rows; None if it cannot, or if its maps are no single images."""
    how = None if n.is_leaf else OPS[n.op].rows(n)
    if how is None:
        return None
    maps = [n.inputs[k] for k in how.maps]
    single = all(_shape(m)[:1] == (1,) and len(_shape(m)) == 4 for m in maps)
    in_rows = maps if isinstance(how, SummedRows) else (n, *maps)
    return how if single and all(map(row_bytes, in_rows)) else None


def height(n: Node) -> int:
    """Rows of a map; a packed mask has those of what it masks, a sum those that it sums."""
    return _shape(n)[1]


def row_bytes(n: Node) -> int:
    """Bytes of a row; 0 if rows do not begin at a byte."""
    if n.type.rank == 4:
        return n.type.nbytes // n.type.shape[1]
    elements = n.inputs[0].type.size // height(n)
    packed = n.type.dtype == "uint8" and n.type.nbytes * 8 == n.inputs[0].type.size
    return elements // 8 if packed and elements % 8 == 0 else 0


def _shape(n: Node) -> tuple[int, ...]:
    """Of a map, or of the map that is masked or summed."""
    return n.type.shape if n.type.rank == 4 or n.is_leaf else n.inputs[0].type.shape


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
        turns: list[list[Step]] = []
        total = self.height[self.main]
        for end in range(self.step, total + self.step, self.step):
            turns.append(self.turn(min(end, total), end >= total))
        return Tile(self.nodes, self.windows(), _loops(turns), self.overlaps())

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
        result takes what comes, until the last turn."""
        need: dict[Node, int] = {self.main: end}
        for n in reversed(self.made):
            readers = [r for r in self.users.get(n, ()) if r in need]
            if readers:
                wanted = max(self.how[r].end(need[r]) for r in readers)
                need[n] = max(self.done[n], min(self.height[n], wanted))
            elif last:
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
            inputs[k] = Node("input", (), _rows(m, stop - first))
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
        total = self.height[self.main]
        for end in range(self.step, total + self.step, self.step):
            self.turn(min(end, total), end >= total)
        return Tile(self.nodes, self.windows(), (), self.overlaps())

    def band(self, n: Node, until: int) -> None:
        if n not in self.partial:
            self.note_overlap(n, until)


def _rows(m: Node, rows: int) -> TensorType:
    if m.type.rank != 4:
        return m.type.with_shape((rows * row_bytes(m),))
    return m.type.with_shape((m.type.shape[0], rows, *m.type.shape[2:]))


def _loops(turns: list[list[Step]]) -> tuple[Loop, ...]:
    """Turns that differ only in where they are become one loop."""
    loops: list[Loop] = []
    at = 0
    while at < len(turns):
        end = at + 1
        steady = _advance(turns[at], turns[end]) if end < len(turns) else None
        while steady is not None and end < len(turns):
            if _advance(turns[end - 1], turns[end]) != steady:
                break
            end += 1
        body = tuple(turns[at]) if steady is None else _moving(turns[at], steady)
        loops.append(Loop(end - at, body))
        at = end
    return tuple(loops)


def _advance(a: list[Step], b: list[Step]) -> list[int] | None:
    """By how much each place moves from turn a to turn b; None if they differ otherwise."""
    if len(a) != len(b) or any(_fixed(x) != _fixed(y) for x, y in zip(a, b, strict=True)):
        return None
    starts = zip(map(_starts, a), map(_starts, b), strict=True)
    return [q - p for old, new in starts for p, q in zip(old, new, strict=True)]


def _fixed(step: Step) -> tuple:
    """What does not change from turn to turn."""
    if isinstance(step, Slide):
        return (step,)
    if isinstance(step, Fetch):
        return step.node, step.rows, step.start
    call = step.call
    return step.node, call.type, [i.type for i in call.inputs], call.attrs


def _starts(step: Step) -> list[int]:
    """What may move from turn to turn."""
    if isinstance(step, Slide):
        return []
    if isinstance(step, Fetch):
        return [step.first]
    return [place.start for place in (step.result, *step.inputs) if place]


def _moving(turn: list[Step], advance: list[int]) -> tuple[Step, ...]:
    by = iter(advance)
    body: list[Step] = []
    for step in turn:
        if isinstance(step, Band):
            result = replace(step.result, advance=next(by))
            inputs = tuple(p and replace(p, advance=next(by)) for p in step.inputs)
            step = Band(step.node, step.call, result, inputs)
        elif isinstance(step, Fetch):
            step = replace(step, advance=next(by))
        body.append(step)
    return tuple(body)
