"""A tile row by row: which rows each turn makes of each map, and how long they are kept.

The walk knows numbers only, no nodes: layers of the same shapes have the same walk, in whatever
network or update scheme they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from trainlet.ops.row_access import RowAccess, SummedRowAccess

LARGE = 8
"""A result may overlap a source only if the source has at least one part in so many of the largest
one's bytes."""
REMEMBERED = 4096
"""How many walks are cached."""


class Part(NamedTuple):
    """A map of a tile, and how it is made.

    how:       which rows of its maps it reads; None where no operation of the tile makes it
    maps:      the numbers of the maps that it is made of
    height:    rows
    row_bytes: bytes of a row
    nbytes:    bytes of all rows
    partial:   whether only a window of its rows is kept
    """

    how: RowAccess | None
    maps: tuple[int, ...]
    height: int
    row_bytes: int
    nbytes: int
    partial: bool


class Measured(NamedTuple):
    """capacity: rows of the window of each part that the tile makes; 0 where it is whole.
    slack: for pairs (source, result) of parts, how many bytes behind the beginning of the source
    the result may begin."""

    capacity: tuple[int, ...]
    slack: tuple[tuple[tuple[int, int], int], ...]


@lru_cache(REMEMBERED)
def measure(parts: tuple[Part, ...], made: int, rows: int) -> Measured:
    """The bytes of a tile; the arguments are those of `Walk`."""
    walk = Walk(parts, made, rows)
    walk.run()
    return walk.measured


class Walk:
    """The tile turn by turn: which rows each part makes, and which it still needs.

    parts: first those that the tile makes, in the order in which they run, then those it only reads
    made:  how many parts it makes; a streamed input counts, and is the first
    rows:  so many rows of the main result, the last that the tile does not read, are made in a turn
    """

    def __init__(self, parts: Sequence[Part], made: int, rows: int) -> None:
        self.parts, self.made, self.rows = parts, range(made), rows
        self.users: list[list[int]] = [[] for _ in parts]
        for n in self.made:
            for m in parts[n].maps:
                self.users[m].append(n)
        self.done = [0 if k < made else part.height for k, part in enumerate(parts)]
        self.base = [0] * len(parts)
        self.capacity = [0] * made
        self.main = next(n for n in reversed(self.made) if parts[n].how and not self.users[n])
        self.slack: dict[tuple[int, int], int] = {}
        outer = range(made, len(parts))
        largest = max((parts[m].nbytes for m in outer), default=0)
        self.large = [m for m in outer if parts[m].nbytes * LARGE >= largest]

    @property
    def measured(self) -> Measured:
        return Measured(tuple(self.capacity), tuple(self.slack.items()))

    def run(self) -> None:
        """All turns."""
        total = self.parts[self.main].height
        for end in range(self.rows, total + self.rows, self.rows):
            self.turn(min(end, total), end >= total)

    def turn(self, end: int, last: bool) -> None:
        need = self.demand(end, last)
        for n in self.made:
            until = need[n] if n in need else self.ready(n)
            if until > self.done[n]:
                if self.parts[n].partial:
                    self.slide(n, until)
                self.make(n, until)
                self.done[n] = until

    def demand(self, end: int, last: bool) -> dict[int, int]:
        """How many rows of each part the turn needs.  A part that nobody here reads, but for the
        main result, takes what comes, until the last turn; a streamed input that only such parts
        read comes as fast as the main result is made.  Then all is made but rows of a window that
        nobody reads, below the last stride of a layer."""
        need = {self.main: end}
        for n in reversed(self.made):
            how, _, height, _, _, partial = self.parts[n]
            ends = [self.how(r).end(need[r]) for r in self.users[n] if r in need]
            if ends:
                need[n] = max(self.done[n], min(height, max(ends)))
            elif how is None:
                need[n] = -(-height * end // self.parts[self.main].height)
            if last and (not partial or how is None or not ends):
                need[n] = height
        return need

    def how(self, n: int) -> RowAccess:
        how = self.parts[n].how
        assert how is not None
        return how

    def ready(self, n: int) -> int:
        """How many rows of a part can be made from the rows that are there."""
        height, maps = self.parts[n].height, self.parts[n].maps
        if all(self.done[m] == self.parts[m].height for m in maps):
            return height
        return min(height, self.how(n).ready(min(self.done[m] for m in maps)))

    def still_needed(self, m: int) -> int:
        """The first row of m that somebody here has still to read; one past the last if none."""
        first = height = self.parts[m].height
        for u in self.users[m]:
            if self.done[u] < self.parts[u].height:
                first = min(first, self.how(u).span(self.done[u], self.done[u] + 1, height)[0])
        return first

    def slide(self, n: int, until: int) -> tuple[int, int]:
        """Room for new rows in a window: the rows from the first of these numbers on, so many as
        the second says, move to its beginning."""
        keep = min(self.still_needed(n), self.done[n])
        start, count = keep - self.base[n], self.done[n] - keep
        self.base[n] = keep
        self.capacity[n] = max(self.capacity[n], until - keep)
        return start, count

    def make(self, n: int, until: int) -> None:
        """How far new rows must stay behind the rows of outer maps that are still needed."""
        how, _, _, row_bytes, _, partial = self.parts[n]
        if partial or isinstance(how, SummedRowAccess):
            return
        for m in self.large:
            needed = self.still_needed(m)
            if needed < self.parts[m].height:
                room = needed * self.parts[m].row_bytes - until * row_bytes
                self.slack[m, n] = min(room, self.slack.get((m, n), room))
