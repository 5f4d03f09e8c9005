"""An order -> a plan in tiles, as wide as their addresses allow."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.planning.buffers import kept_bytes
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.early import saved_early
from trainlet.planning.place import plan_graph
from trainlet.planning.plan import Plan
from trainlet.planning.tiles.choose import choose_tiles
from trainlet.planning.undo import Rollback

CLOSE = 100
"""A hundredth above the lower bound, narrower tiles are not worth their instructions."""


def plan_in_tiles(
    graph: Graph,
    order: NodeOrder,
    streamed: Node | None = None,
    every_order: int | None = None,
    effort: str = "greedy",
    rollback: Rollback = True,
) -> Plan:
    """The plan of an order some of whose nodes run a few rows at a time.

    Where what the backward pass keeps could be made before the plan's peak, and frees larger maps,
    the order in which it is made so is planned too, and the smaller plan taken.

    With rollback=True a load verifies the state in the arena, so an arena up to its size is free.

    streamed: an input that comes in rows.  every_order, effort, rollback: as of
    `plan_graph`.

    Raises UnsupportedError when a reader of the streamed input cannot run on rows.
    """

    free = kept_bytes(graph) if rollback is True else 0

    def planned(order: NodeOrder) -> Plan:
        best: Plan | None = None
        for arranged, tiles in choose_tiles(graph, order, streamed, free):
            plan = plan_graph(graph, arranged, tiles, every_order, effort, rollback)
            if best is None or plan.arena < best.arena:
                best = plan
            low = best.lower_bound
            if best.arena <= free or (free < low and best.arena <= low + low // CLOSE):
                break
        assert best is not None
        return best

    plan, early = planned(order), saved_early(graph, order)
    if plan.arena <= free or not _more_runs_before_the_peak(graph, plan, early):
        return plan
    return min(plan, planned(early), key=lambda p: p.arena)


def _more_runs_before_the_peak(graph: Graph, plan: Plan, order: NodeOrder) -> bool:
    """Whether more nodes run before the plan's peak in another order."""
    levels = assign_buffers(graph, plan.order, plan.tiles).live_bytes
    top = levels.index(max(levels)) if levels else 0
    first = next((k for k, n in enumerate(order) if plan.moment[n] == top), 0)
    return any(plan.moment[n] > top for n in order[:first])
