"""Addresses one by one, in many orders: each block in the lowest or in the tightest gap."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from trainlet.planning.packing.blocks import Addresses, Block, Slack, height, rivals_of

RESTART = 200
HUGE, LEAST_OF_HUGE = 4_000_000, 4
"""Of steps with so many pairs of blocks, thousands of operations, fewer tries are made."""
STARTS: tuple[Callable[[Block], tuple], ...] = (
    lambda b: (-b.size, b.span),
    lambda b: (-b.size * (b.span[1] - b.span[0] + 1),),
    lambda b: (b.span[0] - b.span[1], -b.size),
    lambda b: (b.span, -b.size),
)


def fit(blocks: Sequence[Block], slack: Slack, enough: int, pairs: int, least: int) -> Addresses:
    """The best placement of some tries; the first that needs no more than `enough` bytes.

    Each of four orders takes turns with first fit and with best fit.  After each try a block that
    reached the top comes earlier in its order; now and then all begin anew, for a walk can lose
    its way.  There are so many tries that about `pairs` pairs of blocks are compared, but not
    fewer than `least`.
    """
    rivals = rivals_of(blocks)
    each = sum(map(len, rivals.values()))
    tries = max(least if each < HUGE else LEAST_OF_HUGE, pairs // (each + 1))
    rng = random.Random(0)
    best: Addresses | None = None
    orders: list[list[Block]] = []
    for attempt in range(tries):
        if attempt % RESTART == 0:
            orders = [sorted(blocks, key=key) for key in STARTS for _ in range(2)]
        turn = attempt % len(orders)
        order = orders[turn]
        at = _fitted(order, rivals, slack, tightest=bool(turn % 2))
        arena = height(at)
        if best is None or arena < height(best):
            best = at
        if arena <= enough:
            break
        top = rng.choice([k for k, b in enumerate(order) if at[b] + b.size == arena])
        order.insert(rng.randrange(top + 1), order.pop(top))
    return best or {}


def _fitted(
    order: Sequence[Block], rivals: dict[Block, set[Block]], slack: Slack, tightest: bool
) -> Addresses:
    """Each block where it meets no rival placed before: in the gap that it fills best, or at the
    lowest address."""
    at: Addresses = {}
    spot: dict[Block, tuple[int, int]] = {}
    overlapping = {b for pair in slack for b in pair}
    for b in order:
        placed = filter(at.__contains__, rivals[b])
        if b in overlapping:
            taken = sorted(_taken(b, r, at[r], slack) for r in placed)
        else:
            taken = sorted(map(spot.__getitem__, placed))
        here, gaps = 0, []
        for start, end in taken:
            if here + b.size <= start:
                gaps.append((start - here, here))
                if not tightest:
                    break
            here = max(here, end)
        at[b] = min(gaps)[1] if gaps else here
        spot[b] = at[b], at[b] + b.size
    return at


def _taken(b: Block, rival: Block, start: int, slack: Slack) -> tuple[int, int]:
    """Block b must end before the first or begin behind the second of these addresses."""
    end = start + rival.size
    if (rival, b) in slack:
        return min(end, start + slack[rival, b] + b.size), end
    if (b, rival) in slack:
        return start, start - slack[b, rival]
    return start, end
