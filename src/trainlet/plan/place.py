"""Order -> plan: buffers get addresses by first fit, in many orders, the best one kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainlet.ir.graph import Graph, Node
from trainlet.plan.best_order import find_order
from trainlet.plan.buffers import holder, in_arena
from trainlet.plan.liveness import Span, assign_buffers
from trainlet.plan.plan import Plan
from trainlet.plan.schedule import Order
from trainlet.plan.tile import Tile

Slack = dict[tuple["_Block", "_Block"], int]
"""How far behind the first block's beginning the second may begin, where the two may overlap."""

MIN_TRIES, MAX_TRIES, RESTART = 40, 1600, 200
PAIRS = 2_000_000
"""So many pairs of blocks are compared by all tries together, about."""
ENOUGH = 1000
"""A thousandth above the lower bound is as good as the bound."""


@dataclass(frozen=True, eq=False)
class _Block:
    """Bytes that must lie somewhere for a while: a buffer, or a node's work space."""

    node: Node
    size: int
    span: Span


def plan_graph(
    graph: Graph,
    order: Order | None = None,
    tiles: Sequence[Tile] = (),
    every_order: int | None = None,
) -> Plan:
    """Schedule and place a graph; the plan is checked before it is returned.

    The nodes of a tile must stand together in the order.  every_order: live bytes that any order
    needs, if an order is given and they are known.
    """
    if order is None:
        found = find_order(graph)
        order, every_order = found.order, found.bound
    buffers = assign_buffers(graph, order, tiles)
    held = [_Block(n, buffers.size[n], span) for n, span in buffers.span.items()]
    moment = buffers.moment
    scratch = [_Block(n, size, (moment[n], moment[n])) for n, size in buffers.workspace.items()]
    block = {b.node: b for b in held}
    slack = {(block[o.source], block[buffers.owner[o.result]]): o.slack for o in buffers.overlaps}
    at, arena = _place(held + scratch, slack, buffers.lower_bound)
    start = {block.node: at[block] for block in held}
    offset = {
        n: start[buffers.owner[holder(n)]] for n in (*graph.leaves("input"), *order) if in_arena(n)
    }
    plan = Plan(
        order,
        offset,
        {block.node: at[block] for block in scratch},
        buffers.span,
        arena,
        buffers.lower_bound,
        buffers.size,
        tuple(tiles),
        None if tiles else every_order,
    )
    plan.check(graph)
    return plan


def _place(blocks: list[_Block], slack: Slack, bound: int) -> tuple[dict[_Block, int], int]:
    """Addresses and the bytes they need; stops where the lower bound is as good as met.

    Four orders take turns.  After each try a block that reached the top comes earlier in its
    order; now and then all four begin anew, for a walk can lose its way.
    """
    rivals = _rivals(blocks)
    pairs = sum(map(len, rivals.values())) + 1
    rng = random.Random(0)
    best: tuple[dict[_Block, int], int] = ({}, -1)
    orders: list[list[_Block]] = []
    for attempt in range(max(MIN_TRIES, min(MAX_TRIES, PAIRS // pairs))):
        if attempt % RESTART == 0:
            orders = [sorted(blocks, key=key) for key in _STARTS]
        order = orders[attempt % len(orders)]
        at = _first_fit(order, rivals, slack)
        arena = max((at[b] + b.size for b in blocks), default=0)
        if best[1] < 0 or arena < best[1]:
            best = at, arena
        if best[1] <= bound + bound // ENOUGH:
            break
        top = rng.choice([k for k, b in enumerate(order) if at[b] + b.size == arena])
        order.insert(rng.randrange(top + 1), order.pop(top))
    return best


_STARTS: tuple[Callable[[_Block], tuple], ...] = (
    lambda b: (-b.size, b.span),
    lambda b: (-b.size * (b.span[1] - b.span[0] + 1),),
    lambda b: (b.span[0] - b.span[1], -b.size),
    lambda b: (b.span, -b.size),
)


def _rivals(blocks: list[_Block]) -> dict[_Block, set[_Block]]:
    """For each block, those that are alive at some moment with it."""
    ordered = sorted(blocks, key=lambda b: b.span[0])
    rivals: dict[_Block, set[_Block]] = {b: set() for b in blocks}
    alive: list[_Block] = []
    for b in ordered:
        alive = [a for a in alive if a.span[1] >= b.span[0]]
        for a in alive:
            rivals[a].add(b)
            rivals[b].add(a)
        alive.append(b)
    return rivals


def _first_fit(
    order: list[_Block], rivals: dict[_Block, set[_Block]], slack: Slack
) -> dict[_Block, int]:
    """Each block at the lowest address where it meets no rival placed before."""
    at: dict[_Block, int] = {}
    for b in order:
        taken = sorted(_taken(b, r, at[r], slack) for r in rivals[b] if r in at)
        here = 0
        for start, end in taken:
            if here + b.size <= start:
                break
            here = max(here, end)
        at[b] = here
    return at


def _taken(b: _Block, rival: _Block, start: int, slack: Slack) -> tuple[int, int]:
    """Block b must end before the first or begin behind the second of these addresses."""
    end = start + rival.size
    if (rival, b) in slack:
        return min(end, start + slack[rival, b] + b.size), end
    if (b, rival) in slack:
        return start, start - slack[b, rival]
    return start, end
