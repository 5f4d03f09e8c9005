"""A plan: order and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from trainlet.ir.graph import Node, NodeOrder
from trainlet.planning.tiles.tile import Tile, moments
from trainlet.planning.undo import Copy, Undo


@dataclass(frozen=True)
class Plan:
    """When each node runs and where its tensor lies.

    order:     every node that is not a leaf
    offset:    first byte in the arena of each node that lies there, inputs included
    scratch:   first byte of the work space of the nodes that need one
    live:      for each buffer, by the node that makes it, its first and last moment (-1: before
               the first node)
    arena:     bytes
    lower_bound: the largest sum of live bytes; no placement of this order needs fewer
    size:      bytes of each buffer: of a map that exists only in part, those of its window
    tiles:     nodes that run together, some rows at a time
    every_order: a lower bound of the live bytes of any order of the graph; None where there are
                 tiles, which can go below it
    undo:      how updates are taken back if one overflows; None where none can
    """

    order: NodeOrder
    offset: Mapping[Node, int]
    scratch: Mapping[Node, int]
    live: Mapping[Node, tuple[int, int]]
    arena: int
    lower_bound: int
    size: Mapping[Node, int] = field(default_factory=dict)
    tiles: tuple[Tile, ...] = ()
    every_order: int | None = None
    undo: Undo | None = None

    @cached_property
    def moment(self) -> dict[Node, int]:
        """When each node runs."""
        return moments(self.order, self.tiles)

    @cached_property
    def tile_of(self) -> dict[Node, Tile]:
        """The tile of each node that is in one."""
        return {n: tile for tile in self.tiles for n in tile.nodes}

    @cached_property
    def copies(self) -> dict[Node, Copy]:
        """For each update, where the old value is kept."""
        return {c.update: c for c in self.undo.copies} if self.undo else {}

    @cached_property
    def streamed(self) -> frozenset[Node]:
        """Inputs that come in rows, so that they exist only in part, and once."""
        return frozenset(n for tile in self.tiles for n in tile.windows if n.is_leaf)

    def steps(self) -> list[Node | Tile]:
        """The order with each tile in the place of its nodes."""
        return list(dict.fromkeys(self.tile_of.get(n, n) for n in self.order))
