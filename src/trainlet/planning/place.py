"""Order -> plan: buffers get addresses, near the fewest bytes that the order allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.planning.buffers import aligned, first_byte, in_arena, storage_of
from trainlet.planning.liveness import Buffers, assign_buffers
from trainlet.planning.order import constraint
from trainlet.planning.order.best_order import find_order
from trainlet.planning.packing import constraint_place
from trainlet.planning.packing.blocks import Addresses, Block, Slack, height
from trainlet.planning.packing.first_fit import Fitting
from trainlet.planning.packing.pack import pack
from trainlet.planning.plan import Plan
from trainlet.planning.replay import check_plan
from trainlet.planning.tiles.tile import Tile, moments
from trainlet.planning.undo import (
    Copy,
    Rollback,
    copied_blocks,
    make_undo,
    place_between,
    swapped_gradients,
    updates_to_judge,
)

FEW_TRIES, MANY_TRIES = 8, 40
FEW_PAIRS, MANY_PAIRS = 100_000, 2_000_000
"""Limit on the pairs of blocks that all first-fit tries compare together, approximately."""
ENOUGH = 1000
"""Placement stops within a thousandth of the lower bound."""
NEAR = (200, 100, 50)
"""Packing aims at one part in so many above the lower bound, which is better than many first-fit
tries reach."""


def plan_graph(
    graph: Graph,
    order: NodeOrder | None = None,
    tiles: Sequence[Tile] = (),
    every_order: int | None = None,
    effort: str = "greedy",
    rollback: Rollback = True,
    earlier: Sequence[Copy] = (),
) -> Plan:
    """Schedule and place a graph; the plan is checked before it is returned.

    The nodes of a tile must stand together in the order.  every_order: live bytes that any order
    needs, if an order is given and they are known.  effort: "optimal" also tries a constraint
    programme where the rest misses the lower bound and OR-Tools is installed.
    rollback: whether old values are kept to take back updates.  earlier: such copies of a stage
    that runs before; they stay where they are.
    """
    if order is None:
        found = find_order(graph, effort)
        order, every_order = found.order, found.bound
    task = _Task(graph, order, tuple(tiles), every_order, effort, rollback, tuple(earlier))
    plan, larger = task.plan(swap=False)
    if larger:  # by copies: try what needs no room for them, and more instructions
        other, _ = task.plan(swap=True)
        plan = min(plan, other, key=lambda p: p.arena)
    check_plan(plan, graph)
    return plan


@dataclass(frozen=True)
class _Task:
    """What `plan_graph` is asked for."""

    graph: Graph
    order: NodeOrder
    tiles: tuple[Tile, ...]
    every_order: int | None
    effort: str
    rollback: Rollback
    earlier: tuple[Copy, ...]

    def plan(self, swap: bool) -> tuple[Plan, bool]:
        """A plan, and whether its arena is larger for copies of old values.  swap: old values take
        the place of gradients where they can."""
        graph, order, tiles = self.graph, self.order, self.tiles
        moment = moments(order, tiles)
        updates = updates_to_judge(order)
        swapped = swapped_gradients(order, moment, updates) if swap else {}
        until = {g: moment[updates[-1]] for g in swapped.values()}
        buffers = assign_buffers(graph, order, tiles, until)
        held = [Block(n, buffers.size[n], span) for n, span in buffers.span.items()]
        scratch = [Block(n, size, (moment[n], moment[n])) for n, size in buffers.workspace.items()]
        copied = [n for n in updates if self.rollback and n not in swapped]
        copies = copied_blocks(copied, moment, updates)
        at, bare = self.addresses(buffers, held, scratch, copies)
        start = {block.node: at[block] for block in held}
        offset = {
            n: start[buffers.owner[storage_of(n)]] + first_byte(n)
            for n in (*graph.leaves("input"), *order)
            if in_arena(n)
        }
        kept_at = {block.node: at[block] for block in copies}
        kept_at |= {n: offset[g] for n, g in swapped.items()}
        plan = Plan(
            order,
            offset,
            {block.node: at[block] for block in scratch},
            buffers.span,
            height(at),
            max(_raised(buffers.live_bytes, copies), default=0),
            buffers.size,
            tiles,
            None if tiles else self.every_order,
            make_undo(updates, kept_at, swapped, self.earlier, bool(self.rollback)),
        )
        return plan, height(at) > bare and not self.earlier

    def addresses(
        self,
        buffers: Buffers,
        held: Sequence[Block],
        scratch: Sequence[Block],
        copies: Sequence[Block],
    ) -> tuple[Addresses, int]:
        """Of all blocks; and the bytes that they need without copies.  Copies lie in gaps that the
        others leave; where that takes more, all are placed anew and the better is taken."""
        blocks = [*held, *scratch]
        if self.earlier:
            at = place_between(_fixed(self.earlier, buffers.moment), [*blocks, *copies])
            return at, height(at)
        block = {b.node: b for b in held}
        slack = {(block[a], block[b]): most for (a, b), most in buffers.slack.items()}
        stacked = max(buffers.stacked_bytes, default=0)
        at = _place(blocks, slack, buffers.lower_bound, stacked, self.effort)
        if not copies:
            return at, height(at)
        bare, found = height(at), place_between(at, copies)
        bound = max(_raised(buffers.live_bytes, copies), default=0)
        if height(found) > max(bare, bound + bound // ENOUGH):
            stacked = max(_raised(buffers.stacked_bytes, copies), default=0)
            anew = _place([*blocks, *copies], slack, bound, stacked, self.effort)
            found = min(found, anew, key=height)
        return found, bare


def plan_apply(graph: Graph, step: Plan) -> Plan:
    """The plan of the stage that applies summed gradients: what it cannot apply it takes back, and
    with it the sums of the step before."""
    undo = step.undo
    kept = undo.copies if undo else ()
    return plan_graph(graph, rollback=undo is None or undo.restores, earlier=kept)


def _fixed(copies: Sequence[Copy], moment: Mapping[Node, int]) -> Addresses:
    """Copies that are there from the first moment to the last."""
    span = -1, max(moment.values(), default=0)
    return {Block(c.update, aligned(c.leaf.type.nbytes), span): c.start for c in copies}


def _raised(levels: Sequence[int], copies: Sequence[Block]) -> list[int]:
    """Bytes alive at each moment, with the copies."""
    change = [0] * (len(levels) + 1)
    for block in copies:
        born, dies = block.span
        change[born] += block.size
        change[dies + 1] -= block.size
    return [level + more for level, more in zip(levels, accumulate(change), strict=False)]


def _place(
    blocks: Sequence[Block], slack: Slack, bound: int, stacked: int, effort: str
) -> Addresses:
    """Addresses; stops where the lower bound is as good as met.

    stacked: bytes that packing needs, which lays what may overlap as low as it can.
    The simple ways come first: a few tries to fit, then backtracking, then many tries.  Where
    backtracking finds nothing within the most bytes, it is not asked for fewer.
    """
    enough = bound + bound // ENOUGH
    fitting = Fitting(blocks, slack)
    best = fitting.run(enough, FEW_PAIRS, FEW_TRIES)
    if height(best) <= enough:
        return best
    above = {enough, *(low + low // k for low in (bound, stacked) for k in NEAR)}
    limits = sorted(limit for limit in above if stacked <= limit < height(best))
    if limits and (found := pack(blocks, slack, limits[-1])):
        tighter = (pack(blocks, slack, limit) for limit in limits[:-1])
        return next(filter(None, tighter), found)
    with_solver = effort == "optimal" and constraint.available()
    if with_solver and (found := constraint_place.place(blocks, slack, enough)):
        return found
    return fitting.run(enough, MANY_PAIRS, MANY_TRIES)
