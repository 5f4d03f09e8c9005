"""Blocks put into a given height, by backtracking from the bottom upwards.

Every placement can be pushed down until nothing falls, and then be built by always putting in what
lies lowest; so blocks are tried in the order of their addresses (Moffitt, 2023: MiniMalloc).  A
branch ends where at some moment what is still to come has no room above what is there.  What had
no room comes earlier in the next round (Boussemart et al., 2004: weighted degrees).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainlet.planning.chains import chains
from trainlet.planning.packing.blocks import Addresses, Block, Slack

ROUNDS = 6
TRIES = 2
"""Limit on the placements of one round, per block."""
MOST_SHAPES = 2000
"""Limit on the number of shapes: more of them take minutes."""
NOWHERE = -(1 << 40)
WORST = 100
"""The weight given to the shape that lacked room most often in the last round. Weights halve with
every round."""


@dataclass(frozen=True)
class Shape:
    """Blocks that lie together: from moment `start` on the first byte and the end at each moment,
    counted from the lowest byte of all."""

    start: int
    bottom: np.ndarray
    top: np.ndarray

    @cached_property
    def moments(self) -> slice:
        return slice(self.start, self.start + len(self.top))

    def above(self, other: Shape) -> int:
        """How far behind its own beginning another shape must begin to lie above it; NOWHERE if
        they are there at different moments."""
        start = max(self.start, other.start)
        stop = min(self.moments.stop, other.moments.stop)
        if start >= stop:
            return NOWHERE
        own, others = self.top[start - self.start :], other.bottom[start - other.start :]
        return int((own[: stop - start] - others[: stop - start]).max())

    @property
    def area(self) -> int:
        """Bytes times moments."""
        return int((self.top - self.bottom).sum())


FIRST: tuple[Callable[[Shape], tuple[int, ...]], ...] = (
    lambda s: (-s.area,),
    lambda s: (-len(s.top), -int(s.top.max())),
)
"""Which of two that can lie equally low and have the same weight is tried first."""


def pack(blocks: Sequence[Block], slack: Slack, height: int) -> Addresses | None:
    """A placement within `height` bytes; None if it is not found.

    Blocks that may overlap lie as low as they can, counted from the lowest of them.
    """
    groups = _groups(blocks, slack)
    shapes = [_shape(group) for group in groups]
    if len(shapes) > MOST_SHAPES:
        return None
    above = _above(shapes)
    for first in FIRST:
        weight = [0] * len(shapes)
        for _ in range(ROUNDS):
            order = sorted(range(len(shapes)), key=lambda k: (-weight[k], first(shapes[k])))
            own = above[np.ix_(order, order)]
            packing = _Packing([shapes[k] for k in order], own, height)
            if packing.run():
                at = {order[k]: address for k, address in packing.at.items()}
                return {
                    b: at[k] + low for k, group in enumerate(groups) for b, low in group.items()
                }
            most = max(map(int, packing.lacked))
            for k, lacked in zip(order, map(int, packing.lacked), strict=True):
                weight[k] = weight[k] // 2 + WORST * lacked // max(most, 1)
    return None


def _groups(blocks: Sequence[Block], slack: Slack) -> list[dict[Block, int]]:
    """Blocks that lie together, with the distance of each from the lowest."""
    found = chains(slack)
    chained = {b for chain in found for b in chain}
    return found + [{b: 0} for b in blocks if b not in chained]


def _shape(group: dict[Block, int]) -> Shape:
    start = min(max(b.span[0], 0) for b in group)
    moments = max(max(b.span[1], 0) for b in group) + 1 - start
    bottom = np.full(moments, np.iinfo(np.int64).max)
    top = np.zeros(moments, np.int64)
    for b, offset in group.items():
        alive = slice(max(b.span[0], 0) - start, max(b.span[1], 0) - start + 1)
        bottom[alive] = np.minimum(bottom[alive], offset)
        top[alive] = np.maximum(top[alive], offset + b.size)
    return Shape(start, bottom, top)


def _above(shapes: Sequence[Shape]) -> np.ndarray:
    """`above` of each shape and each other."""
    start = np.array([s.moments.start for s in shapes])
    stop = np.array([s.moments.stop for s in shapes])
    tall = np.array([int(s.top.max()) for s in shapes], np.int64)
    together = (start[:, None] < stop) & (start < stop[:, None])
    above = np.where(together, tall[:, None], NOWHERE)  # of blocks alone
    for k, s in enumerate(shapes):
        if s.bottom.any() or s.top.min() < tall[k]:
            above[k] = [s.above(other) for other in shapes]
            above[:, k] = [other.above(s) for other in shapes]
    return above


class _Packing:
    """at:     addresses found
    lowest: how low each shape can lie above those that are there; what has its place needs none
    lacked: how often each shape had no room
    """

    def __init__(self, shapes: Sequence[Shape], above: np.ndarray, height: int) -> None:
        self.shapes, self.above, self.height = shapes, above, height
        moments = max((s.moments.stop for s in shapes), default=0)
        self.floor = np.zeros(moments, np.int64)
        self.to_come = np.zeros(moments, np.int64)
        self.at: dict[int, int] = {}
        self.lacked = np.zeros(len(shapes), np.int64)
        self.lowest = np.zeros(len(shapes), np.int64)
        self.left = np.ones(len(shapes), bool)
        self.tall = np.array([int(s.top.max()) for s in shapes], np.int64)
        self.number = np.arange(len(shapes))
        self.start = np.array([s.moments.start for s in shapes], np.int64)
        self.stop = np.array([s.moments.stop for s in shapes], np.int64)
        for s in shapes:
            self.to_come[s.moments] += s.top - s.bottom

    def run(self) -> bool:
        """Whether all shapes have found a place."""
        tries = TRIES * len(self.shapes)
        open_choices = [self.choices(0, -1)]
        undo: list[tuple[int, np.ndarray, np.ndarray]] = []
        while open_choices and tries and len(self.at) < len(self.shapes):
            if len(undo) == len(open_choices):
                self.take_back(*undo.pop())
            choice = next(open_choices[-1], None)
            if choice is None:
                open_choices.pop()
                continue
            tries -= 1
            undo.append(self.put(*choice))
            open_choices.append(self.choices(*choice) if self.fits(choice[0]) else iter(()))
        return len(self.at) == len(self.shapes)

    def choices(self, level: int, last: int) -> Iterator[tuple[int, int]]:
        """Address and number of what may lie lowest of all that is left.  Nothing may fit below
        it, and of two at one address the first comes first."""
        at = np.maximum(self.lowest, level)
        end = (at + self.tall)[self.left].min(initial=np.iinfo(np.int64).max)
        able = self.left & (at < end) & ((at > level) | (self.number > last))
        return iter(sorted((int(at[k]), int(k)) for k in np.flatnonzero(able)))

    def put(self, address: int, k: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Returns what `take_back` needs."""
        shape, lowest = self.shapes[k], self.lowest
        before = self.floor[shape.moments].copy()
        self.floor[shape.moments] = address + shape.top
        self.to_come[shape.moments] -= shape.top - shape.bottom
        self.lowest = np.maximum(lowest, address + self.above[k])
        self.left[k] = False
        self.at[k] = address
        return k, before, lowest

    def take_back(self, k: int, before: np.ndarray, lowest: np.ndarray) -> None:
        """The state before `put`."""
        shape = self.shapes[k]
        self.floor[shape.moments] = before
        self.to_come[shape.moments] += shape.top - shape.bottom
        self.lowest, self.left[k] = lowest, True
        del self.at[k]

    def fits(self, level: int) -> bool:
        """Whether all that is to come has room; it lies at this level or higher."""
        free = self.height - np.maximum(self.floor, level)
        short = (self.to_come > free) & (self.to_come > 0)
        if not short.any():
            return True
        before = np.concatenate(([0], np.cumsum(short)))
        self.lacked += self.left & (before[self.stop] > before[self.start])
        return False
