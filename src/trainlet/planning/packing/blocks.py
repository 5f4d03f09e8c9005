"""What is placed: bytes that must lie somewhere for a while."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trainlet.ir.graph import Node
from trainlet.planning.liveness import Span


@dataclass(frozen=True, eq=False)
class Block:
    """A buffer, or a node's work space: its bytes, and its first and last moment."""

    node: Node
    size: int
    span: Span

    @property
    def area(self) -> int:
        """Bytes times moments."""
        return self.size * (self.span[1] - max(self.span[0], 0) + 1)


Slack = Mapping[tuple[Block, Block], int]
"""How far behind the first block's beginning the second may begin, where the two may overlap."""
Addresses = dict[Block, int]


def height(at: Addresses) -> int:
    """Bytes that a placement needs."""
    return max((start + b.size for b, start in at.items()), default=0)


def rivals_of(blocks: Iterable[Block]) -> dict[Block, set[Block]]:
    """For each block, those that are alive at some moment with it."""
    ordered = sorted(blocks, key=lambda b: b.span[0])
    rivals: dict[Block, set[Block]] = {b: set() for b in ordered}
    alive: list[Block] = []
    for b in ordered:
        alive = [a for a in alive if a.span[1] >= b.span[0]]
        for a in alive:
            rivals[a].add(b)
            rivals[b].add(a)
        alive.append(b)
    return rivals
