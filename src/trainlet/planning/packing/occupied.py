"""The addresses that placed blocks occupy, and the gaps between them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping

from trainlet.planning.packing.blocks import Block

Interval = tuple[int, int, int, int]
"""First byte and end of a placed block, its first and its last moment."""


def interval(block: Block, start: int) -> Interval:
    """What a block occupies that is placed at an address."""
    return start, start + block.size, *block.span


class Occupied:
    """Placed blocks by address.  A query goes through them once, from the lowest upwards."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self.intervals = sorted(intervals)

    @staticmethod
    def of(at: Mapping[Block, int]) -> Occupied:
        """What a placement occupies."""
        return Occupied(interval(b, start) for b, start in at.items())

    def replaced(self, old: Interval, new: Interval) -> Occupied:
        """The same with another interval in the place of one of these."""
        other = Occupied()
        other.intervals = self.intervals.copy()
        del other.intervals[bisect_left(other.intervals, old)]
        insort(other.intervals, new)
        return other

    def add(self, block: Block, start: int) -> None:
        """A block is placed."""
        insort(self.intervals, interval(block, start))

    def lowest(self, block: Block) -> int:
        """The lowest address where a block overlaps none that is alive with it."""
        size, (born, dies) = block.size, block.span
        here = 0
        for start, end, first, last in self.intervals:
            if first <= dies and last >= born:
                if here + size <= start:
                    break
                if end > here:
                    here = end
        return here

    def tightest(self, block: Block) -> int:
        """The address of the smallest gap between the blocks that are alive with this one and in
        which it has room; the lowest of equal ones; the end of them all if there is none."""
        size, (born, dies) = block.size, block.span
        here, best, smallest = 0, -1, 1 << 62
        for start, end, first, last in self.intervals:
            if first <= dies and last >= born:
                if size <= start - here < smallest:
                    best, smallest = here, start - here
                if end > here:
                    here = end
        return here if best < 0 else best
