"""Estimates the bytes of a step's arena from an order alone, without placement and without
tiles."""

from __future__ import annotations

from dataclasses import dataclass

from trainlet.ir.graph import Graph, NodeOrder
from trainlet.planning.liveness import Liveness
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
    liveness = Liveness(graph)
    order = quick_order(graph, liveness)
    steps = steps_of(graph, order)
    lower = bound_of_every_order(steps, range(len(steps.nodes)))
    return Estimate(lower, *_peaks(graph, order, liveness))


def estimate_arena(graph: Graph, tile: bool) -> int:
    """The figure `tiled` or `arena` alone, without a cut."""
    liveness = Liveness(graph)
    arena, tiled = _peaks(graph, quick_order(graph, liveness), liveness)
    return tiled if tile else arena


def estimate_tiled(graph: Graph) -> int:
    """The figure `tiled` alone, in a few milliseconds, to rank update schemes by."""
    return estimate_arena(graph, tile=True)


def _peaks(graph: Graph, order: NodeOrder, liveness: Liveness) -> tuple[int, int]:
    live = liveness.buffers(order).live_bytes
    return max(live, default=0), untiled_peak(graph, order, live)
