"""From an order to buffers: which nodes share a buffer, and when each buffer is alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node
from trainlet.planning.buffers import Footprint, aligned, footprints, in_arena, storage_of
from trainlet.planning.chains import chains
from trainlet.planning.tiles.tile import Overlap, Tile, moments

Span = tuple[int, int]


@dataclass(frozen=True)
class Buffers:
    """owner:     the node whose buffer holds a node's value
    span:      a buffer's first and last moment; the nodes of a tile run at one moment
    size:      a buffer's bytes, aligned
    workspace: bytes of scratch that a node needs while it runs
    moment:    when each node runs
    overlaps:  pairs of buffers that may lie on each other in part
    """

    owner: dict[Node, Node]
    span: dict[Node, Span]
    size: dict[Node, int]
    workspace: dict[Node, int]
    moment: dict[Node, int]
    overlaps: tuple[Overlap, ...]

    @property
    def live_bytes(self) -> list[int]:
        """Bytes alive at each moment, work space included."""
        moments = max(self.moment.values(), default=0) + 1
        change = [0] * (moments + 1)
        for n, (born, dies) in self.span.items():
            change[max(born, 0)] += self.size[n]
            change[max(dies, 0) + 1] -= self.size[n]
        for n, size in self.workspace.items():
            change[self.moment[n]] += size
            change[self.moment[n] + 1] -= size
        for pair in self.overlaps:
            change[self.moment[pair.result]] -= pair.saved
            change[self.moment[pair.result] + 1] += pair.saved
        total, levels = 0, []
        for k in range(moments):
            total += change[k]
            levels.append(total)
        return levels

    @property
    def slack(self) -> dict[tuple[Node, Node], int]:
        """For each pair of buffers that may overlap: how many bytes after the first one's start the
        second may start."""
        owner = self.owner
        return {(owner[storage_of(o.source)], owner[o.result]): o.slack for o in self.overlaps}

    @property
    def stacked_bytes(self) -> list[int]:
        """Bytes of each moment if buffers that may lie on each other begin as low as they can: a
        result that begins before its source leaves a gap below all that lay there earlier."""
        levels = self.live_bytes
        for o in self.overlaps:
            levels[self.moment[o.result]] += o.saved
        for chain in chains(self.slack):
            for t in range(max(min(self.span[n][0] for n in chain), 0), len(levels)):
                alive = [n for n in chain if self.span[n][0] <= t <= self.span[n][1]]
                ends = (chain[n] + self.size[n] for n in alive)
                levels[t] += max(ends, default=0) - sum(self.size[n] for n in alive)
        return levels

    @property
    def lower_bound(self) -> int:
        """No placement of this order needs fewer bytes."""
        return max(self.live_bytes, default=0)


class Liveness:
    """The buffers of any order of a graph: what all orders have in common is found once."""

    def __init__(self, graph: Graph) -> None:
        self.inputs = graph.leaves("input")
        self.prints = footprints(graph.nodes())

    def buffers(
        self,
        order: Sequence[Node],
        tiles: Sequence[Tile] = (),
        until: Mapping[Node, int] | None = None,
    ) -> Buffers:
        """An operation that may work in place does so when its input dies with it.

        Inputs are alive from before the first node.  Outputs are taken as soon as they are made.
        The nodes of a tile stand together in the order.  until: moments up to which storages are
        needed, whoever reads them last.
        """
        inside = {n for tile in tiles for n in tile.nodes}
        windows = {n: nbytes for tile in tiles for n, nbytes in tile.windows.items()}
        moment = moments(order, tiles)
        last = {**last_reads(self.prints, order, moment), **(until or {})}
        owner: dict[Node, Node] = {}
        span: dict[Node, Span] = {}
        size: dict[Node, int] = {}
        workspace: dict[Node, int] = {}
        for leaf in self.inputs:
            dies = last.get(leaf, -1)
            owner[leaf], span[leaf] = leaf, (dies if leaf in windows else -1, dies)
            size[leaf] = aligned(windows.get(leaf, leaf.type.nbytes))
        for n in order:
            own = self.prints[n]
            if not own.arena:
                continue
            if own.storage is not n:
                owner[n] = owner[own.storage]
                continue
            t = moment[n]
            born, dies = t, max(t, last.get(n, t))
            reused = None if n in inside else _reused_buffer(own, t, last, owner, span)
            if reused is None:
                owner[n], size[n] = n, aligned(windows[n]) if n in windows else own.size
            else:
                owner[n], born = reused, span[reused][0]
            span[owner[n]] = (born, dies)
            if own.scratch:
                workspace[n] = own.scratch
        overlaps = tuple(o for tile in tiles for o in _free_overlaps(tile, owner, span, moment))
        return Buffers(owner, span, size, workspace, moment, overlaps)


def assign_buffers(
    graph: Graph,
    order: Sequence[Node],
    tiles: Sequence[Tile] = (),
    until: Mapping[Node, int] | None = None,
) -> Buffers:
    """The buffers of one order; see `Liveness.buffers`."""
    return Liveness(graph).buffers(order, tiles, until)


def _free_overlaps(
    tile: Tile, owner: dict[Node, Node], span: dict[Node, Span], moment: dict[Node, int]
) -> list[Overlap]:
    """The overlap that saves most, of a map that dies with the tile, which reads it under no other
    name."""
    t = moment[tile.nodes[0]]
    read = {i for n in tile.nodes for i in n.inputs if in_arena(i)}

    def alone(source: Node) -> bool:
        buffer = owner[storage_of(source)]
        dies = span[buffer][1] == t
        whole = storage_of(source).type.nbytes == source.type.nbytes
        others = (owner[storage_of(i)] for i in read if i is not source)
        return dies and whole and not any(other is buffer for other in others)

    free = [o for o in tile.overlaps if o.saved > 0 and alone(o.source)]
    return sorted(free, key=lambda o: -o.saved)[:1]


def last_reads(
    prints: Mapping[Node, Footprint], order: Sequence[Node], moment: Mapping[Node, int]
) -> dict[Node, int]:
    """The last moment at which a storage is read, through aliases too."""
    last: dict[Node, int] = {}
    for n in order:
        last.update(dict.fromkeys(prints[n].reads, moment[n]))
    return last


def _reused_buffer(
    own: Footprint,
    t: int,
    last: Mapping[Node, int],
    owner: Mapping[Node, Node],
    span: Mapping[Node, Span],
) -> Node | None:
    """The buffer that a node may overwrite with its result: that of an input that nobody reads
    later."""
    for kept, others in own.in_place:
        if last[kept] == t:
            buffer = owner[kept]
            if span[buffer][1] == t and not any(owner[h] is buffer for h in others):
                return buffer
    return None
