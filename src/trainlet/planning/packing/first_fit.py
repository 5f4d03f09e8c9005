"""Addresses one by one, in many orders: each block in the lowest or in the tightest gap."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from trainlet.planning.packing.blocks import Addresses, Block, Slack, count_pairs, height
from trainlet.planning.packing.occupied import Interval, Occupied, interval

RESTART = 200
HUGE, LEAST_OF_HUGE = 4_000_000, 4
"""Fewer tries are made for steps of so many pairs of blocks (thousands of operations)."""
STARTS: tuple[Callable[[Block], tuple], ...] = (
    lambda b: (-b.size, b.span),
    lambda b: (-b.size * (b.span[1] - b.span[0] + 1),),
    lambda b: (b.span[0] - b.span[1], -b.size),
    lambda b: (b.span, -b.size),
)


class Fitting:
    """Tries to fit blocks, one after the other; `best` is the lowest placement so far."""

    def __init__(self, blocks: Sequence[Block], slack: Slack) -> None:
        self.pairs = 2 * count_pairs(blocks)
        self.tries = _tries(blocks, slack)
        self.done = 0
        self.best: Addresses = {}

    def run(self, enough: int, pairs: int, least: int) -> Addresses:
        """Try on until a placement needs no more than `enough` bytes; return the best.

        All tries together, those of earlier calls included, compare about `pairs` pairs of blocks,
        but there are not fewer than `least`.
        """
        few = least if self.pairs < HUGE else LEAST_OF_HUGE
        until = max(few, pairs // (self.pairs + 1))
        while self.done < until and not (self.done and height(self.best) <= enough):
            at = next(self.tries)
            if not self.done or height(at) < height(self.best):
                self.best = at
            self.done += 1
        return self.best


def _tries(blocks: Sequence[Block], slack: Slack) -> Iterator[Addresses]:
    """Each of four orders takes turns with first fit and with best fit.  After each try a block
    that reached the top comes earlier in its order; now and then all begin anew, for a walk can
    lose its way."""
    rng = random.Random(0)
    orders: list[list[Block]] = []
    attempt = 0
    while True:
        if attempt % RESTART == 0:
            orders = [sorted(blocks, key=key) for key in STARTS for _ in range(2)]
        turn = attempt % len(orders)
        order = orders[turn]
        at = _fitted(order, slack, tightest=bool(turn % 2))
        yield at
        arena = height(at)
        top = rng.choice([k for k, b in enumerate(order) if at[b] + b.size == arena])
        order.insert(rng.randrange(top + 1), order.pop(top))
        attempt += 1


def _fitted(order: Sequence[Block], slack: Slack, tightest: bool) -> Addresses:
    """Each block where it meets no block placed before that is alive with it: in the gap that it
    fills best, or at the lowest address."""
    at: Addresses = {}
    placed = Occupied()
    partners = [*slack, *((b, a) for a, b in slack)]
    partners_of = {b: [other for a, other in partners if a is b] for b, _ in partners}
    for b in order:
        occupied = placed
        for other in partners_of.get(b, ()):
            if other in at:
                plain = interval(other, at[other])
                occupied = occupied.replaced(plain, _taken(b, other, at[other], slack))
        at[b] = occupied.tightest(b) if tightest else occupied.lowest(b)
        placed.add(b, at[b])
    return at


def _taken(b: Block, other: Block, start: int, slack: Slack) -> Interval:
    """Block b must end before the first or begin behind the second of these addresses."""
    end = start + other.size
    if (other, b) in slack:
        start, end = min(end, start + slack[other, b] + b.size), end
    elif (b, other) in slack:
        start, end = start, start - slack[b, other]
    return start, end, *other.span
