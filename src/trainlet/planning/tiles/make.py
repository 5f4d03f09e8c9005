"""The tile of some nodes: its windows for the search, and its loops for the plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from trainlet.ir.graph import Node
from trainlet.ops.op import build
from trainlet.ops.row_access import RowAccess, SummedRowAccess
from trainlet.planning.buffers import ALIGN
from trainlet.planning.tiles.loops import as_loops
from trainlet.planning.tiles.maps import height, row_bytes, rows_of, rows_type
from trainlet.planning.tiles.tile import Band, Fetch, Overlap, Place, Slide, Tile, TileStep
from trainlet.planning.tiles.walk import Measured, Part, Walk, measure


class _Map(NamedTuple):
    """What is the same in every tile that a node is in."""

    how: RowAccess | None
    maps: tuple[Node, ...]
    height: int
    row_bytes: int
    nbytes: int


class Tiles:
    """The tiles of a graph.

    readers:  for each node, all that read it; what others than the nodes of a tile read is whole
    streamed: an input that comes in rows, if it is not whole
    """

    def __init__(
        self, readers: Mapping[Node, Iterable[Node]], streamed: Node | None = None
    ) -> None:
        self.readers, self.streamed = readers, streamed
        self.known: dict[Node, _Map] = {}

    def measure(self, nodes: Sequence[Node], rows: int) -> Tile:
        """The tile of these nodes, inputs first; `rows` rows of the last of them are made at a
        time.  It has no loops, but all that liveness asks for."""
        members, parts, made = self.parts(nodes)
        return _tile(nodes, members, parts, measure(parts, made, rows), [])

    def make(self, nodes: Sequence[Node], rows: int) -> Tile:
        """The same tile with its loops."""
        members, parts, made = self.parts(nodes)
        walk = _Unrolled(members, parts, made, rows)
        walk.run()
        return _tile(nodes, members, parts, walk.measured, walk.turns)

    def parts(self, nodes: Sequence[Node]) -> tuple[list[Node], tuple[Part, ...], int]:
        """The maps of a tile, what a walk has to know of them, and how many of them it makes."""
        inside, read = set(nodes), dict.fromkeys(m for n in nodes for m in self.map_of(n).maps)
        streamed = [m for m in read if m is self.streamed and self.kept_in_part(m, inside)]
        members, made = [*streamed, *nodes], len(streamed) + len(nodes)
        members += [m for m in read if m not in inside and m not in streamed]
        number = {n: k for k, n in enumerate(members)}
        parts = []
        for n in members:
            m = self.map_of(n)
            how, maps = (m.how, tuple(number[i] for i in m.maps)) if n in inside else (None, ())
            partial = number[n] < made and self.kept_in_part(n, inside)
            parts.append(Part(how, maps, m.height, m.row_bytes, m.nbytes, partial))
        return members, tuple(parts), made

    def kept_in_part(self, n: Node, inside: set[Node]) -> bool:
        """Whether somebody reads a map, and nobody outside the tile."""
        readers = self.readers[n]
        return bool(readers) and inside.issuperset(readers)

    def map_of(self, n: Node) -> _Map:
        if n not in self.known:
            how = rows_of(n)
            maps = dict.fromkeys(n.inputs[k] for k in how.maps) if how else ()
            self.known[n] = _Map(how, tuple(maps), height(n), row_bytes(n), n.type.nbytes)
        return self.known[n]


def _tile(
    nodes: Sequence[Node],
    members: Sequence[Node],
    parts: Sequence[Part],
    measured: Measured,
    turns: list[list[TileStep]],
) -> Tile:
    windows = {
        n: rows * part.row_bytes
        for n, part, rows in zip(members, parts, measured.capacity, strict=False)
        if part.partial
    }
    overlaps = tuple(
        Overlap(members[x], members[y], slack // ALIGN * ALIGN) for (x, y), slack in measured.slack
    )
    return Tile(tuple(nodes), windows, as_loops(turns), overlaps)


class _Unrolled(Walk):
    """The walk with the steps of each turn."""

    def __init__(
        self, members: Sequence[Node], parts: Sequence[Part], made: int, rows: int
    ) -> None:
        super().__init__(parts, made, rows)
        self.members, self.turns = members, list[list[TileStep]]()
        self.number = {n: k for k, n in enumerate(members)}

    def turn(self, end: int, last: bool) -> None:
        self.turns.append([])
        super().turn(end, last)

    def slide(self, n: int, until: int) -> tuple[int, int]:
        start, count = super().slide(n, until)
        move = count > 0 and start > 0
        if move:
            size = self.parts[n].row_bytes
            self.turns[-1].append(Slide(self.members[n], start * size, count * size))
        return start, count

    def make(self, n: int, until: int) -> None:
        node, first = self.members[n], self.done[n]
        start = (first - self.base[n]) * self.parts[n].row_bytes
        if node.is_leaf:
            self.turns[-1].append(Fetch(node, first, until - first, start))
            return
        self.turns[-1].append(self.band(n, until, Place(node, start)))
        super().make(n, until)

    def band(self, n: int, until: int, result: Place) -> Band:
        node, how, done = self.members[n], self.how(n), self.done[n]
        rows = self.parts[self.number[node.inputs[how.maps[0]]]].height
        first, stop = how.span(done, until, rows)
        inputs: list[Node] = list(node.inputs)
        places: list[Place | None] = [None] * len(inputs)
        for k in how.maps:
            m = self.number[node.inputs[k]]
            inputs[k] = Node("input", (), rows_type(node.inputs[k], stop - first))
            start = (first - self.base[m]) * self.parts[m].row_bytes
            places[k] = Place(node.inputs[k], start)
        attrs = how.part(node.attrs, done, until, rows)
        if isinstance(how, SummedRowAccess) and done:
            inputs.append(Node("input", (), node.type))
            places.append(Place(node, 0))
        call = build(node.op, *inputs, label=node.name, **attrs)
        return Band(node, call, result, tuple(places))
