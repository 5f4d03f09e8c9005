"""Which nodes run rows at a time: where the arena is highest, the stretch that lowers it most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy

from trainlet.ir.graph import Graph, Node, NodeOrder, users
from trainlet.ops.op import OPS
from trainlet.ops.row_access import RowAccess
from trainlet.planning.buffers import aligned, in_arena
from trainlet.planning.liveness import Buffers, Liveness
from trainlet.planning.tiles.make import Tiles
from trainlet.planning.tiles.maps import height, rows_of
from trainlet.planning.tiles.stream import check_streamed, not_in_rows
from trainlet.planning.tiles.tile import Tile, moments

Levels = list[int]
Known = dict[tuple[int, int, int], Tile]
"""Tiles by their first and last node in line, and their rows at a time."""
REACH = 24
"""How far from the moment of the peak a stretch may begin and end, in nodes."""
MIN_GAIN = 1000
"""Tiles are made only if they can save at least one part in so many of the peak: rows cost
calls."""
ROOM = (64, 32, 16, 8, 1)
"""Tiles as wide as memory allows may be impossible to place; then one part in so many of the memory
is left free."""
CLOSE = 100
"""Gaps of up to one part in so many do not cause a new search."""
OUTSIDE = "outside"


def choose_tiles(
    graph: Graph, order: NodeOrder, streamed: Node | None = None, free: int = 0
) -> Iterator[tuple[NodeOrder, tuple[Tile, ...]]]:
    """Tiles that lower the largest sum of live bytes of this order, as far as tiles can; and the
    order, in which updates wait for the end of their tile.

    Rows cost calls and slides, so each tile makes as many rows at a time as memory allows.  The
    best tiles come first, then those that are easier to place: with fewer rows at a time, or with
    fewer results on rows of their sources, where each would move the one before it upwards.
    streamed: an input that comes in rows: one tile holds all that reads it.
    free: bytes that the arena has in any case.

    Raises UnsupportedError when a reader of the streamed input cannot run on rows.
    """
    tight = _Search(graph, order, streamed)
    loose = copy(tight)
    loose.tight = False
    tiles = tight.run()
    buffers = tight.buffers(tiles)
    if max(buffers.stacked_bytes, default=0) <= buffers.lower_bound + buffers.lower_bound // CLOSE:
        yield from tight.widths(tiles, free)
        yield from loose.widths(loose.run(), free)
    else:
        yield from loose.widths(loose.run(), free)
        yield from tight.widths(tiles, free)


def untiled_peak(graph: Graph, order: NodeOrder, live: Sequence[int]) -> int:
    """The most live bytes of an order at a moment that no tile can lower, because its node runs on
    no rows.  live: bytes alive at each moment."""
    readers = users(graph.nodes())
    highest = sorted(range(len(order)), key=lambda t: -live[t])
    fixed = (t for t in highest if not _fits(order[t], readers, rows_of))
    return next((live[t] for t in fixed), 0)


def _fits(
    n: Node, readers: Mapping[Node, Iterable[Node]], how_in_rows: Callable[[Node], RowAccess | None]
) -> bool:
    """Whether n runs on rows of maps, and is no weight that a layer reads as a whole."""
    how = how_in_rows(n)
    if how is None or not all(in_arena(m) for m in (n, *(n.inputs[k] for k in how.maps))):
        return False
    return not any(
        i is n and k not in reading.maps
        for r in readers[n]
        if (reading := how_in_rows(r))
        for k, i in enumerate(r.inputs)
    )


class _Search:
    """tight: as if all that is alive could lie without gaps.  known: tiles measured so far."""

    def __init__(self, graph: Graph, order: NodeOrder, streamed: Node | None) -> None:
        self.graph, self.order, self.streamed, self.tight = graph, order, streamed, True
        self.known: Known = {}
        self.liveness = Liveness(graph)
        self.rows: dict[Node, RowAccess | None] = {}
        self.readers = {n: list(r) for n, r in users(graph.nodes()).items()}
        for n in graph.outputs.values():
            self.readers[n].append(Node(OUTSIDE, (n,), n.type))
        self.tiles = Tiles(self.readers, streamed)
        self.fit = {n: _fits(n, self.readers, self.rows_of) for n in order}
        waiting = self.updates()
        self.line = [n for n in order if n not in waiting]
        self.able = [self.fit[n] for n in self.line]

    def rows_of(self, n: Node) -> RowAccess | None:
        if n not in self.rows:
            self.rows[n] = None if n.op == OUTSIDE else rows_of(n)
        return self.rows[n]

    def updates(self) -> set[Node]:
        """Updates, and what only they read: they may wait until a tile has ended."""
        found: set[Node] = set()
        for n in reversed(self.order):
            changes = OPS[n.op].mutates is not None
            read = self.readers[n] and all(r in found for r in self.readers[n])
            if not self.fit[n] and (changes or read):
                found.add(n)
        return found

    def arranged(self, tiles: tuple[Tile, ...]) -> NodeOrder:
        """The order with each tile's nodes together, and the updates among them behind it."""
        tile_of = {n: tile for tile in tiles for n in tile.nodes}
        order: list[Node] = []
        late: list[Node] = []
        left = 0
        for n in self.order:
            if n in tile_of:
                left = (left or len(tile_of[n].nodes)) - 1
                order.append(n)
            else:
                (late if left else order).append(n)
            if not left:
                order += late
                late = []
        return tuple(order)

    def run(self) -> tuple[Tile, ...]:
        tiles = self.streaming() if self.streamed else ()
        levels = self.levels(tiles)
        if not tiles and levels and levels[0] - self.floor() <= levels[0] // MIN_GAIN:
            return ()
        while True:
            best, lowest = tiles, levels
            for candidate in filter(self.holds, self.candidates(tiles)):
                if max(map(_inside, candidate), default=0) <= lowest[0]:
                    lower = self.levels(candidate)
                    best, lowest = (candidate, lower) if lower < lowest else (best, lowest)
            if best is tiles:
                return self.needed(tiles, levels[0] if levels else 0)
            tiles, levels = best, lowest

    def needed(self, tiles: tuple[Tile, ...], limit: int) -> tuple[Tile, ...]:
        """Without those that lowered moments which others now exceed: rows cost calls."""
        for tile in tiles:
            fewer = tuple(t for t in tiles if t is not tile)
            if self.holds(fewer) and max(self.levels(fewer)) <= limit + limit // MIN_GAIN:
                tiles = fewer
        return tiles

    def floor(self) -> int:
        """No tile lowers a moment at which a node runs that cannot be in one."""
        live = self.liveness.buffers(self.order).live_bytes
        fixed = {n for n, able in zip(self.line, self.able, strict=True) if not able}
        return max((b for n, b in zip(self.order, live, strict=True) if n in fixed), default=0)

    def streaming(self) -> tuple[Tile, ...]:
        """The tile of all that reads the streamed input, as long as serves best."""
        assert self.streamed is not None
        check_streamed(self.graph, self.streamed)
        places = [k for k, n in enumerate(self.line) if self.streamed in n.inputs]
        start, end = min(places), max(places)
        for k in range(start, end + 1):
            if not self.able[k]:
                raise not_in_rows(
                    self.streamed,
                    f"{self.line[k]!r}, which does not run on rows, stands between its readers; "
                    "let one layer read the input",
                )
        return min((((self.tile(start, k, 1),)) for k in self.forwards(end)), key=self.levels)

    def holds(self, tiles: tuple[Tile, ...]) -> bool:
        """Whether the streamed input, if there is one, is streamed."""
        return self.streamed is None or any(self.streamed in tile.windows for tile in tiles)

    def levels(self, tiles: tuple[Tile, ...]) -> Levels:
        """Bytes of all moments, the most first."""
        return sorted(self.profile(self.buffers(tiles)), reverse=True)

    def buffers(self, tiles: tuple[Tile, ...]) -> Buffers:
        return self.liveness.buffers(self.arranged(tiles), tiles)

    def profile(self, buffers: Buffers) -> Levels:
        """Bytes that each moment needs."""
        return buffers.live_bytes if self.tight else buffers.stacked_bytes

    def candidates(self, tiles: tuple[Tile, ...]) -> Iterator[tuple[Tile, ...]]:
        """Around the highest moment: one tile more, or one in place of those it covers, or one cut
        in two."""
        buffers = self.buffers(tiles)
        levels = self.profile(buffers)
        top = levels.index(max(levels))
        peak = [k for k, n in enumerate(self.line) if buffers.moment[n] == top]
        if not peak or not all(self.able[k] for k in peak):
            return
        first, last = peak[0], peak[-1]
        spans = [self.span(t) for t in tiles]
        for start, end in spans:
            if start <= first and last <= end:
                others = [t for t, s in zip(tiles, spans, strict=True) if s[0] != start]
                for cut in range(start + 1, end + 1):
                    parts = (start, cut - 1), (cut, end)
                    yield *others, *(self.tile(*part, 1) for part in parts)
        for start in self.backwards(first):
            for end in self.forwards(last):
                cut = [s for s in spans if not (s[1] < start or s[0] > end)]
                whole = all(start <= a and b <= end for a, b in cut)
                if whole and (start, end) not in spans:
                    kept = [t for t, s in zip(tiles, spans, strict=True) if s not in cut]
                    yield *kept, self.tile(start, end, 1)

    def tile(self, start: int, end: int, rows: int) -> Tile:
        """Without its loops; those of the chosen tiles are made at the end."""
        key = start, end, rows
        if key not in self.known:
            self.known[key] = self.tiles.measure(self.line[start : end + 1], rows)
        return self.known[key]

    def span(self, tile: Tile) -> tuple[int, int]:
        start = self.line.index(tile.nodes[0])
        return start, start + len(tile.nodes) - 1

    def backwards(self, first: int) -> Iterator[int]:
        for k in range(first, max(first - REACH, -1), -1):
            if not self.able[k]:
                return
            yield k

    def forwards(self, last: int) -> Iterator[int]:
        for k in range(last, min(last + REACH, len(self.line))):
            if not self.able[k]:
                return
            yield k

    def widths(
        self, tiles: tuple[Tile, ...], free: int
    ) -> Iterator[tuple[NodeOrder, tuple[Tile, ...]]]:
        """The tiles with as many rows at a time as memory allows, then with fewer."""
        top = max(self.levels(tiles), default=0)
        limits = max(top, free), top, *(top - top // k for k in ROOM)
        wide = (self.widened(tiles, limit) for limit in limits)
        yield from map(self.finished, dict.fromkeys(wide))

    def widened(self, tiles: tuple[Tile, ...], limit: int) -> tuple[Tile, ...]:
        """The same tiles with more rows at a time, where no more than `limit` bytes are alive."""
        for k, tile in enumerate(tiles):
            rows, moment = 2, self.moment(tiles, tile)
            while rows < height(tile.nodes[-1]):
                wide = self.tile(*self.span(tile), rows)
                tried = (*tiles[:k], wide, *tiles[k + 1 :])
                if self.profile(self.buffers(tried))[moment] > limit:
                    break
                tiles, rows = tried, 2 * rows
        return tiles

    def moment(self, tiles: tuple[Tile, ...], tile: Tile) -> int:
        """When the tile runs."""
        return moments(self.arranged(tiles), tiles)[tile.nodes[0]]

    def finished(self, tiles: tuple[Tile, ...]) -> tuple[NodeOrder, tuple[Tile, ...]]:
        """The order, and the tiles with their loops."""
        rows = {tile: key[2] for key, tile in self.known.items()}
        made = (self.tiles.make(t.nodes, rows[t]) for t in tiles)
        return self.arranged(tiles), tuple(made)


def _inside(tile: Tile) -> int:
    """Bytes that the results of a tile take while it runs, at the least."""
    return sum(aligned(tile.windows.get(n, n.type.nbytes)) for n in tile.nodes)
