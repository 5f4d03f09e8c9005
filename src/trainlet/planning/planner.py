"""Order, tiles and addresses of a step: one planner, with the choices of one compilation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainlet.errors import UnsupportedError
from trainlet.ir.graph import Graph, Node, NodeOrder
from trainlet.ops.verify import verify
from trainlet.passes.fuse.parts import read_in_parts
from trainlet.passes.fuse.updates import with_copies
from trainlet.planning.buffers import kept_bytes
from trainlet.planning.liveness import assign_buffers
from trainlet.planning.order.best_order import find_order
from trainlet.planning.place import plan_graph
from trainlet.planning.plan import Plan
from trainlet.planning.tiles.stream import AUTO, check_rows, streamed_input
from trainlet.planning.tiles.tiled import plan_in_tiles
from trainlet.planning.undo import Rollback
from trainlet.progress import stage

LEAST_SAVING = 50
"""An input comes in rows with AUTO, and weights are read in parts, if that saves this part of the
RAM: a fiftieth."""


@dataclass(frozen=True)
class Planner:
    """tile:     whether operations may run on a few rows of their maps at a time
    required: whether it is an error if none can
    stream:   whether the first input comes in rows, or the name of the input that does; with AUTO
              `smallest` decides
    effort:   of the search for an order, "greedy" or "optimal"
    rollback: whether a step whose update overflows is taken back; True also gives a load room
    """

    tile: bool
    required: bool = False
    stream: bool | str = False
    effort: str = "greedy"
    rollback: Rollback = True

    def __call__(self, graph: Graph, order: NodeOrder | None = None) -> Plan:
        """The plan of a step, in a given order or in the best one found."""
        stage("schedule")
        found = find_order(graph, self.effort) if order is None else None
        order = found.order if found else order or ()
        every_order = found.bound if found else None
        streamed = streamed_input(graph, self.stream)
        if self.required:
            check_rows(graph)
        if self.stream or self.tile:
            stage("tile")
            return plan_in_tiles(graph, order, streamed, every_order, self.effort, self.rollback)
        stage("place")
        return plan_graph(graph, order, (), every_order, self.effort, self.rollback)

    def smallest(self, graphs: Sequence[Graph]) -> tuple[Graph, Plan]:
        """The graph with the smallest arena, the earlier of two, and its plan.

        Where rows are allowed, and saves enough RAM, the graph that reads weights in parts.
        """
        graph, plan = self._least(graphs)
        if not self.tile or not self._saves(graph, plan, 0):
            return graph, plan
        apart = read_in_parts(graphs[0])
        if apart is graphs[0]:
            return graph, plan
        other = self._least(with_copies(verify(apart)))
        return other if self._saves(graph, plan, other[1].arena) else (graph, plan)

    def _least(self, graphs: Sequence[Graph]) -> tuple[Graph, Plan]:
        if self.stream == AUTO:
            return self._in_rows_or_whole(graphs)
        plans = [self(graph) for graph in graphs]
        best = min(range(len(plans)), key=lambda k: plans[k].arena)
        return graphs[best], plans[best]

    def _in_rows_or_whole(self, graphs: Sequence[Graph]) -> tuple[Graph, Plan]:
        """The first input as a whole, unless it can come in rows and that saves enough RAM."""
        graph, plan = replace(self, stream=False)._least(graphs)
        x = streamed_input(graph, AUTO)
        if x is None or not self._saves(graph, plan, _after(graph, plan, x)):
            return graph, plan
        try:
            rows = replace(self, stream=True)._least(graphs)
        except UnsupportedError:
            return graph, plan
        return rows if self._saves(graph, plan, rows[1].arena) else (graph, plan)

    def _saves(self, graph: Graph, plan: Plan, arena: int) -> bool:
        """Whether another arena saves enough RAM to be worth instructions."""
        kept = kept_bytes(graph)
        saved = plan.arena - max(arena, kept if self.rollback is True else 0)
        return saved * LEAST_SAVING >= plan.arena + kept


def _after(graph: Graph, plan: Plan, x: Node) -> int:
    """The most live bytes behind the last reader of x, which rows of x cannot lower."""
    _, last = plan.live[x]
    return max(assign_buffers(graph, plan.order, plan.tiles).live_bytes[last + 1 :], default=0)
