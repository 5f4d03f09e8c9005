"""What a step's arena will about take, from an order alone: nothing is placed, no tile is made."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.ir.graph import Graph
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.cut import bound_of_every_order
from trainlet.planning.order.schedule import quick_order
from trainlet.planning.order.steps import steps_of
from trainlet.planning.tiles.choose import untiled_peak


@dataclass(frozen=True)
class Estimate:
    """Bytes.

    lower: no order of the graph needs fewer without tiles
    arena: live bytes of the highest moment of a quick order
    tiled: the same where tiles may be made: moments whose operation can run on rows do not count
    """

    lower: int
    arena: int
    tiled: int


def estimate(graph: Graph) -> Estimate:
    """All three figures of a step; the minimum cuts of `lower` take longest."""
    order = quick_order(graph)
    steps = steps_of(graph, order)
    lower = bound_of_every_order(steps, range(len(steps.nodes)))
    arena = assign_buffers(graph, order).lower_bound
    return Estimate(lower, arena, untiled_peak(graph, order))


def estimate_tiled(graph: Graph) -> int:
    """The figure `tiled` alone, in a few milliseconds, to rank update schemes by."""
    return untiled_peak(graph, quick_order(graph))
