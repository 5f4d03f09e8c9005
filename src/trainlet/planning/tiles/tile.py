"""A tile: nodes that run together, a few rows at a time, so that maps between them never exist.

Of a map that only the tile's own nodes read, a window of rows is kept: what the next rows still
need slides to its beginning before new rows are added, so nothing is computed twice.  Maps that
others read are whole.  A streamed input is a window too: rows are fetched as they are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trainlet.ir.graph import Node
from trainlet.planning.buffers import aligned


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


TileStep = Slide | Fetch | Band


@dataclass(frozen=True)
class Loop:
    """The same steps repeated; each repetition is `advance` bytes further in the whole maps."""

    times: int
    body: tuple[TileStep, ...]


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
