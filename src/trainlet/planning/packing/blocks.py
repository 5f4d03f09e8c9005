"""What is placed: bytes that must lie somewhere for a while."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
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


def count_pairs(blocks: Sequence[Block]) -> int:
    """Pairs of blocks that are alive at the same moment."""
    ends = sorted(b.span[1] for b in blocks)
    apart = sum(bisect_left(ends, b.span[0]) for b in blocks)
    return len(blocks) * (len(blocks) - 1) // 2 - apart
