"""An order -> a plan in tiles, as wide as their addresses allow."""

from __future__ import annotations

from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.planning.place import plan_graph
from trainlet.planning.plan import Plan
from trainlet.planning.tiles.choose import choose_tiles

CLOSE = 100
"""A hundredth above the lower bound, narrower tiles are not worth their instructions."""


def plan_in_tiles(
    graph: Graph,
    order: NodeOrder,
    streamed: Node | None = None,
    every_order: int | None = None,
    effort: str = "greedy",
    rollback: bool = True,
) -> Plan:
    """The plan of an order some of whose nodes run a few rows at a time.

    streamed: an input that comes in rows.  every_order, effort, rollback: as of
    `plan_graph`.

    Raises UnsupportedError when a reader of the streamed input cannot run on rows.
    """
    best: Plan | None = None
    for arranged, tiles in choose_tiles(graph, order, streamed):
        plan = plan_graph(graph, arranged, tiles, every_order, effort, rollback)
        if best is None or plan.arena < best.arena:
            best = plan
        if best.arena <= best.lower_bound + best.lower_bound // CLOSE:
            break
    assert best is not None
    return best
